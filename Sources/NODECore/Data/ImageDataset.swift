/// Grey images with labels, in memory as bytes: a quarter of the floats, which batches are made of when they
/// are needed.
public struct ImageDataset: Sendable, Equatable, CustomStringConvertible {
  /// Row-major, image after image; 0...255.
  public let pixels: [UInt8]
  /// Of every image, in pixels.
  public let height: Int, width: Int
  /// One for each image.
  public let labels: [Int32]

  public var description: String { "\(labels.count) images of \(height) x \(width)" }

  /// - Parameters:
  ///   - pixels: row-major, image after image: a byte for each pixel of `labels.count` images.
  ///   - height, width: of every image.
  ///   - labels: one for each image.
  public init(pixels: [UInt8], height: Int, width: Int, labels: [Int32]) {
    require(
      height > 0 && width > 0,
      "ImageDataset: height and width must be positive, got \(height) x \(width)")
    require(
      pixels.count == labels.count * height * width,
      "ImageDataset: \(pixels.count) pixels for \(labels.count) labels and images of \(height) x \(width)")
    self.pixels = pixels
    self.height = height
    self.width = width
    self.labels = labels
  }

  /// Images.
  public var count: Int { labels.count }

  /// The first `count` samples.
  public func prefix(_ count: Int) -> ImageDataset {
    require(count >= 0, "ImageDataset.prefix: the count must not be negative, got \(count)")
    let count = min(count, self.count)
    return ImageDataset(
      pixels: Array(pixels[..<(count * height * width)]), height: height, width: width,
      labels: Array(labels[..<count]))
  }

  /// Writes the chosen samples: images [n, height, width, 1] in 0...1, labels [n]. Allocates nothing.
  ///
  /// The shift of a sample depends on (key, sample) only, not on the batch that it is in.
  /// - Parameters:
  ///   - samples: indices into the set; `images` and `labels` must have room for exactly as many.
  ///   - augmentation: applied to each image; `key` should differ from epoch to epoch.
  public func fill(
    images: UnsafeMutableBufferPointer<Float>, labels target: UnsafeMutableBufferPointer<Int32>,
    samples: some Collection<Int>, augmentation: Augmentation = .none, key: RandomKey = RandomKey(seed: 0)
  ) {
    let words = key.hostWords
    let size = height * width
    require(
      images.count == samples.count * size && target.count == samples.count,
      "ImageDataset.fill: room for \(images.count) pixels and \(target.count) labels, \(samples.count) samples"
    )
    pixels.withUnsafeBufferPointer { pixels in
      for (slot, sample) in samples.enumerated() {
        require(
          labels.indices.contains(sample), "ImageDataset.fill: sample \(sample) of \(labels.count)")
        target[slot] = labels[sample]
        let (down, right) = augmentation.shift(sample: sample, key: words)
        for row in 0..<height {
          let out = images.baseAddress! + slot * size + row * width
          let from = row + down
          for column in 0..<width {
            let source = column + right
            let inside = from >= 0 && from < height && source >= 0 && source < width
            out[column] = inside ? Float(pixels[sample * size + from * width + source]) / 255 : 0
          }
        }
      }
    }
  }

  /// The chosen samples as tensors.
  public func batch(
    _ samples: some Collection<Int>, augmentation: Augmentation = .none, key: RandomKey = RandomKey(seed: 0)
  ) -> LabelledImages {
    var labels = [Int32](repeating: 0, count: samples.count)
    let images = [Float](unsafeUninitializedCapacity: samples.count * height * width) { images, count in
      labels.withUnsafeMutableBufferPointer {
        count = samples.count * height * width
        let exactly = UnsafeMutableBufferPointer(rebasing: images[..<count])
        fill(images: exactly, labels: $0, samples: samples, augmentation: augmentation, key: key)
      }
    }
    return LabelledImages(
      images: Tensor(images, shape: [samples.count, height, width, 1]),
      labels: Tensor(labels, shape: [samples.count]))
  }
}

/// Random changes of training images.
public enum Augmentation: Sendable, Hashable {
  case none
  /// The image is padded with zeros on every side and a window of its own size is cut out at random.
  case randomCrop(padding: Int)

  /// Where the window's corner lies, relative to the image's.
  func shift(sample: Int, key: SIMD2<UInt32>) -> (down: Int, right: Int) {
    guard case .randomCrop(let padding) = self else { return (0, 0) }
    var stream = RandomStream(words: RandomStream.child(sample, of: key))
    let down = stream.nextInteger(below: 2 * padding + 1) - padding
    return (down, stream.nextInteger(below: 2 * padding + 1) - padding)
  }
}

/// The order of the samples in one epoch: a permutation that depends on (key, epoch) only, cut into batches.
public struct EpochPlan: Sendable {
  /// Indices of all samples, those of a batch that is dropped included.
  public let order: [Int]
  /// Samples of a batch; of the last one at most as many.
  public let batchSize: Int
  /// Batches, numbered from 0; none where the only one is dropped.
  public let batchCount: Int

  /// - Parameter dropsLast: leaves out the last batch where it would be smaller than the others.
  public init(
    sampleCount: Int, batchSize: Int, key: RandomKey = RandomKey(seed: 0), epoch: Int = 0,
    shuffles: Bool = true,
    dropsLast: Bool = true
  ) {
    require(batchSize > 0, "EpochPlan: the batch size must be positive, got \(batchSize)")
    require(sampleCount >= 0, "EpochPlan: the number of samples must not be negative, got \(sampleCount)")
    var order = Array(0..<sampleCount)
    if shuffles {
      var stream = RandomStream(key: key.fold(in: epoch))
      stream.shuffle(&order)
    }
    self.order = order
    self.batchSize = batchSize
    batchCount = dropsLast ? sampleCount / batchSize : (sampleCount + batchSize - 1) / batchSize
  }

  /// Samples of one batch.
  public subscript(batch: Int) -> ArraySlice<Int> {
    require(batch >= 0 && batch < batchCount, "EpochPlan: batch \(batch) of \(batchCount)")
    return order[(batch * batchSize)..<min((batch + 1) * batchSize, order.count)]
  }
}
