import Testing

@testable import NODECore

@Suite struct ParameterCountTests {
  /// The counts of the authors' odenet_mnist.py.
  @Test func countsOfTheMNISTNetworks() {
    #expect(ImageClassifier<Float>.odeNet().parameterCount == 208_266)
    #expect(ImageClassifier<Float>.rkNet(steps: 4).parameterCount == 208_266)
    #expect(ImageClassifier<Float>.resNet(blocks: 6).parameterCount == 576_778)
    #expect(ImageClassifier<Float>.resNet(blocks: 1).parameterCount == 206_858)
    #expect(MLPClassifier<Float>().parameterCount == 238_510)
  }

  @Test func layersNameTheirParameters() {
    let layout = ImageClassifier<Float>.resNet(blocks: 2).parameterLayout
    #expect(layout.entries.first?.name == "stem.conv1.weight")
    #expect(layout.entries.contains { $0.name == "blocks.1.conv2.weight" && $0.shape == [3, 3, 64, 64] })
    #expect(!layout.entries.contains { $0.name.contains("conv2.bias") && $0.name.hasPrefix("blocks") })
    #expect(layout.entries.last?.name == "output.bias")
    // Without gaps and overlaps.
    var offset = 0
    for entry in layout.entries {
      #expect(entry.offset == offset)
      offset += entry.shape.count
    }
    #expect(offset == layout.count)
    let net = MLP<Double>(2, 5, 3, activation: .tanh).parameterLayout
    #expect(
      net.entries.map(\.name) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"])
  }

  /// Variants share what they have in common for the same key, so that comparisons start from the same stem
  /// and head.
  @Test func variantsStartFromTheSameStem() {
    let key = RandomKey(seed: 11)
    let one = ImageClassifier<Float>.resNet(blocks: 1, key: key),
      other = ImageClassifier<Float>.odeNet(key: key)
    func bytes(_ tensor: Tensor<Float>) -> [Float]? {
      tensor.value.node.evaluated(tensor.value.index)?.array(of: Float.self, count: tensor.count)
    }
    #expect(bytes(one.stem.conv3.weight) != nil)
    #expect(bytes(one.stem.conv3.weight) == bytes(other.stem.conv3.weight))
    #expect(bytes(one.output.weight) == bytes(other.output.weight))
    #expect(bytes(one.stem.conv2.weight) != bytes(one.stem.conv3.weight))
  }
}
