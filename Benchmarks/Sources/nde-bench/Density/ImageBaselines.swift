import Foundation
import NODECore

/// What an image flow has to beat: densities of the same pixels with noise that need no network, fitted to the training images.
struct ImageBaselines {
  struct Row: Codable {
    var name: String
    var bitsPerDimension: Double, standardError: Double
  }

  private let levels: Int, pixels: Int
  private let logit: LogitFlow<Double>

  init(levels: Int = 256, pixels: Int, margin: Double) {
    self.levels = levels
    self.pixels = pixels
    logit = LogitFlow(pixels, margin: margin)
  }

  /// - Parameters:
  ///   - train, test: [rows, pixels], (level + noise) / levels, noise in 0..<1.
  func rows(train: Tensor<Double>, test: Tensor<Double>) throws -> [Row] {
    let key = RandomKey(seed: 0)
    let start = try logit.toBase(train, key: key).state.evaluated()
    let image = try logit.toBase(test, key: key)
    let mean = try start.mean(axes: 0).evaluated()
    let centred = try (start - mean).evaluated(), away = image.state - mean
    let variance = try square(centred).mean(axes: 0).evaluated()
    func row(_ name: String, _ logDensity: Tensor<Double>) throws -> Row {
      let numbers = try logDensity.evaluated().scalars.map { -$0 }
      let bits = Estimate(of: numbers).bitsPerDimension(pixels, bins: levels)
      return Row(name: name, bitsPerDimension: bits.mean, standardError: bits.standardError)
    }
    // Densities of logits become those of pixels by the volume that the logit changes.
    return [
      try row("independent pixels, histograms", histograms(train, test)),
      try row("independent pixels, normal", normal(away, variance) + image.logDeterminant),
      try row("independent pixels, logistic", logistic(away, variance) + image.logDeterminant),
      try row("normal with all covariances", normalWithCovariances(away, centred) + image.logDeterminant),
    ]
  }

  /// Every pixel's frequencies of levels, one more of each: no density of independent pixels is better but by chance.
  private func histograms(_ train: Tensor<Double>, _ test: Tensor<Double>) throws -> Tensor<Double> {
    func level(_ share: Double) -> Int { min(max(Int(share * Double(levels)), 0), levels - 1) }
    var counts = [Double](repeating: 1, count: pixels * levels)
    for (index, share) in try train.evaluated().scalars.enumerated() {
      counts[index % pixels * levels + level(share)] += 1
    }
    let total = Double(train.shape[0] + levels)
    let scalars = try test.evaluated().scalars
    let sums = (0..<test.shape[0]).map { row in
      (0..<pixels).reduce(0.0) { sum, pixel in
        let count = counts[pixel * levels + level(scalars[row * pixels + pixel])]
        return sum + Foundation.log(count / total * Double(levels))
      }
    }
    return Tensor(sums, shape: [sums.count])
  }

  private func normal(_ away: Tensor<Double>, _ variance: Tensor<Double>) -> Tensor<Double> {
    ((square(away) / variance + log(variance)).sum(axes: 1) + Double(pixels) * Foundation.log(2 * Double.pi))
      * -0.5
  }

  /// Of the data's means and variances: scale² = 3 variance / π².
  private func logistic(_ away: Tensor<Double>, _ variance: Tensor<Double>) -> Tensor<Double> {
    let scale = sqrt(variance * (3 / (Double.pi * Double.pi)))
    let z = away / scale
    return ((softplus(z) + softplus(-z) + log(scale)).sum(axes: 1)) * -1
  }

  private func normalWithCovariances(_ away: Tensor<Double>, _ centred: Tensor<Double>) throws -> Tensor<
    Double
  > {
    let covariance = try (matmul(centred.transposed(), centred) * (1 / Double(centred.shape[0]))).evaluated()
    let solved = solve(covariance, away.transposed()).transposed()
    return
      ((away * solved).sum(axes: 1) + Double(pixels) * Foundation.log(2 * Double.pi)
      + logAbsDeterminant(covariance).logarithm) * -0.5
  }
}
