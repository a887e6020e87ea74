import Testing

@testable import NODECore

@Suite struct ImageDatasetTests {
  private func small() -> ImageDataset {
    ImageDataset(
      pixels: (0..<5 * 6 * 6).map { UInt8(truncatingIfNeeded: 1 + $0 % 255) }, height: 6, width: 6,
      labels: [0, 1, 2, 3, 4])
  }

  private func filled(
    _ set: ImageDataset, _ samples: ArraySlice<Int>, _ augmentation: Augmentation = .none, seed: UInt64 = 0
  ) -> (images: [Float], labels: [Int32]) {
    var images = [Float](repeating: -1, count: samples.count * set.height * set.width)
    var labels = [Int32](repeating: -1, count: samples.count)
    images.withUnsafeMutableBufferPointer { images in
      labels.withUnsafeMutableBufferPointer { labels in
        set.fill(
          images: images, labels: labels, samples: samples, augmentation: augmentation,
          key: RandomKey(seed: seed))
      }
    }
    return (images, labels)
  }

  @Test func batchesAreNormalised() {
    let set = small()
    let (images, labels) = filled(set, [3, 1])
    #expect(labels == [3, 1])
    #expect(images == (set.pixels[108..<144] + set.pixels[36..<72]).map { Float($0) / 255 })
  }

  @Test func cropsAreShiftsOfTheSampleWhateverItsBatch() {
    let set = small()
    let crop = Augmentation.randomCrop(padding: 2)
    var seen: Set<[Float]> = []
    for seed in 0..<300 {
      let (image, _) = filled(set, [2], crop, seed: UInt64(seed))
      let shift = crop.shift(sample: 2, key: RandomKey(seed: UInt64(seed)).hostWords)
      for row in 0..<6 {
        for column in 0..<6 {
          let (r, c) = (row + shift.down, column + shift.right)
          let expected =
            (0..<6).contains(r) && (0..<6).contains(c) ? Float(set.pixels[72 + r * 6 + c]) / 255 : 0
          #expect(image[row * 6 + column] == expected)
        }
      }
      #expect(filled(set, [0, 2], crop, seed: UInt64(seed)).images.suffix(36) == image[...])
      seen.insert(image)
    }
    #expect(seen.count == 25, "every shift in -2...2 occurs")
  }

  @Test func epochsArePermutationsByKey() {
    func plan(_ epoch: Int, seed: UInt64 = 1) -> [Int] {
      EpochPlan(sampleCount: 100, batchSize: 32, key: RandomKey(seed: seed), epoch: epoch).order
    }
    #expect(plan(0) == plan(0))
    #expect(Set([plan(0), plan(1), plan(2), plan(0, seed: 2)]).count == 4)
    #expect(plan(5).sorted() == Array(0..<100))
    let dropping = EpochPlan(sampleCount: 100, batchSize: 32)
    #expect(dropping.batchCount == 3 && dropping[2].count == 32)
    let keeping = EpochPlan(sampleCount: 100, batchSize: 32, shuffles: false, dropsLast: false)
    #expect(keeping.batchCount == 4 && Array(keeping[3]) == [96, 97, 98, 99])
  }

  /// Each of the 24 orders of 4 elements should come up 1000 times in 24000; 5 sigma is 155.
  @Test func shufflesAreFair() {
    var stream = RandomStream(key: RandomKey(seed: 9))
    var counts: [[Int]: Int] = [:]
    for _ in 0..<24000 {
      var order = [0, 1, 2, 3]
      stream.shuffle(&order)
      counts[order, default: 0] += 1
    }
    #expect(counts.count == 24)
    #expect(counts.values.allSatisfy { abs($0 - 1000) < 155 })
  }
}
