import Testing

@testable import NODECore

@Suite struct SyntheticDigitsTests {
  @Test func dependOnKeyAndIndexOnly() {
    let set = SyntheticDigits.dataset(count: 60, key: RandomKey(seed: 1))
    #expect(set == SyntheticDigits.dataset(count: 200, key: RandomKey(seed: 1)).prefix(60))
    #expect(set != SyntheticDigits.dataset(count: 60, key: RandomKey(seed: 2)))
  }

  @Test func looksLikeInk() {
    let set = SyntheticDigits.dataset(count: 500, key: RandomKey(seed: 4))
    for i in 0..<set.count {
      let image = set.pixels[(i * 784)..<((i + 1) * 784)]
      let ink = image.count { $0 > 127 }
      #expect(ink > 15 && ink < 400, "sample \(i) of digit \(set.labels[i]) has \(ink) dark pixels")
    }
    #expect(Set(set.labels) == Set(0...9))
    #expect(set.pixels.contains { $0 > 0 && $0 < 128 }, "edges are anti-aliased")
  }

  /// The mean image of each class as the whole classifier: far better than one in ten, far from solved.
  @Test func nearestMeanBeatsChanceByFar() {
    let train = SyntheticDigits.dataset(count: 3000, key: RandomKey(seed: 5))
    let test = SyntheticDigits.dataset(count: 1000, key: RandomKey(seed: 6))
    var means = [[Double]](repeating: [Double](repeating: 0, count: 784), count: 10)
    var counts = [Double](repeating: 0, count: 10)
    for i in 0..<train.count {
      let label = Int(train.labels[i])
      counts[label] += 1
      for j in 0..<784 { means[label][j] += Double(train.pixels[i * 784 + j]) }
    }
    for label in 0..<10 { for j in 0..<784 { means[label][j] /= counts[label] } }
    var correct = 0
    for i in 0..<test.count {
      let distances = means.map { mean in
        (0..<784).reduce(0.0) { sum, j in
          let d = Double(test.pixels[i * 784 + j]) - mean[j]
          return sum + d * d
        }
      }
      correct += distances.firstIndex(of: distances.min()!)! == Int(test.labels[i]) ? 1 : 0
    }
    #expect(correct > 550 && correct < 980, "\(correct) of 1000")
  }
}
