/// A batch for classification: images [n, height, width, channels], labels [n].
public struct LabelledImages: Module {
  /// [n, height, width, channels]; of an `ImageDataset` one channel, in 0...1.
  public var images: Tensor<Float>
  /// [n], numbers of classes from 0.
  public var labels: Tensor<Int32>

  /// Nothing is checked.
  /// - Parameters:
  ///   - images: [n, height, width, channels].
  ///   - labels: [n].
  public init(images: Tensor<Float>, labels: Tensor<Int32>) {
    self.images = images
    self.labels = labels
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("images", &images)
    visit("labels", &labels)
  }
}

extension BatchBuffer where Batch == LabelledImages {
  /// Overwrites the buffer with the chosen samples, which must be as many as it was made for.
  public func fill(
    from set: ImageDataset, _ samples: some Collection<Int>, augmentation: Augmentation = .none,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    set.fill(
      images: scalars(0, of: Float.self), labels: scalars(1, of: Int32.self), samples: samples,
      augmentation: augmentation, key: key)
  }
}
