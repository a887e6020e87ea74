/// The MNIST networks of Chen et al. 2018, table 1: a downsampling stem, a middle that is discrete or
/// continuous in depth, and a head. They differ in the middle only. [n, 28, 28, 1] -> logits [n, 10].
public struct ImageClassifier<Scalar: FloatingScalar>: Module {
  /// [n, 28, 28, 1] -> [n, 6, 6, channels].
  public var stem: DownsamplingStem<Scalar>
  /// Residual blocks, one after the other; empty where the middle is continuous or absent.
  public var blocks: [ResidualBlock<Scalar>]
  /// The continuous middle.
  public var ode: NeuralODE<ConvolutionalField<Scalar>>?
  /// Zero channels that the state of `ode` has besides the stem's (Dupont et al. 2019).
  public var augmentedChannels: Int
  /// Behind the middle, of all of its channels, the augmented ones among them.
  public var norm: GroupNorm<Scalar>
  /// [n, width] -> logits [n, classes], behind relu and the mean over the image.
  public var output: Linear<Scalar>

  private init(
    blocks: Int, ode: SolveOptions?, augmentedChannels: Int, channels: Int, classes: Int, key: RandomKey
  ) {
    // The stem and the head of all variants start the same for the same key.
    let keys = key.split(3 + blocks)
    let width = channels + augmentedChannels
    stem = DownsamplingStem(channels: channels, key: keys[0])
    output = Linear(width, classes, key: keys[1])
    norm = GroupNorm(channels: width)
    self.ode = ode.map { NeuralODE(ConvolutionalField(channels: width, key: keys[2]), options: $0) }
    self.blocks = (0..<blocks).map { ResidualBlock(channels: channels, key: keys[3 + $0]) }
    self.augmentedChannels = augmentedChannels
  }

  /// So many residual blocks; with 0 the stem and the head alone.
  public static func resNet(
    blocks: Int, channels: Int = 64, classes: Int = 10, key: RandomKey = RandomKey(seed: 0)
  ) -> ImageClassifier {
    ImageClassifier(
      blocks: blocks, ode: nil, augmentedChannels: 0, channels: channels, classes: classes, key: key)
  }

  /// The continuous middle, dopri5 at tolerance 1e-3 unless told otherwise.
  public static func odeNet(
    options: SolveOptions = SolveOptions(method: .dopri5, rtol: 1e-3, atol: 1e-3), augmentedChannels: Int = 0,
    channels: Int = 64, classes: Int = 10, key: RandomKey = RandomKey(seed: 0)
  ) -> ImageClassifier {
    ImageClassifier(
      blocks: 0, ode: options, augmentedChannels: augmentedChannels, channels: channels, classes: classes,
      key: key)
  }

  /// The continuous middle in so many steps of the classical Runge-Kutta method, differentiated through the
  /// steps.
  public static func rkNet(
    steps: Int = 4, channels: Int = 64, classes: Int = 10, key: RandomKey = RandomKey(seed: 0)
  ) -> ImageClassifier {
    odeNet(
      options: SolveOptions(method: .rk4, controller: .fixed(stepsPerInterval: steps)), channels: channels,
      classes: classes, key: key)
  }

  /// What the middle starts from: the stem's output, with the augmented channels. [n, 6, 6, width].
  public func features(_ images: Tensor<Scalar>) -> Tensor<Scalar> {
    StateAugmentation.zeros(augmentedChannels)(stem(images))
  }

  /// Logits [n, classes]. Throws what `odeint` throws.
  public func callAsFunction(_ images: Tensor<Scalar>) throws -> Tensor<Scalar> {
    var h = features(images)
    for block in blocks { h = block(h) }
    if let ode { h = try ode(h) }
    return output(GlobalAveragePool2D()(relu(norm(h))))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("stem", &stem)
    visit("blocks", &blocks)
    visit("ode", &ode)
    visit("norm", &norm)
    visit("output", &output)
  }
}
