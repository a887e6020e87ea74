import Foundation

/// A pendulum that was filmed: angles and angular velocities at equal times, of the supplement of Schmidt, Lipson 2009,
/// "Distilling Free-Form Natural Laws from Experimental Data" (Science 324:81), file `real_pend_h_1.txt`. It has friction.
public struct RealPendulum: Sendable {
  /// In seconds.
  public let times: [Double]
  /// Angle in radians and angular velocity, a pair for each time.
  public let states: [[Double]]

  /// The energy that Greydanus et al. fitted to it, 2.4 (1 - cos q) + p²; rows [q, p], [rows, 2] -> [rows].
  public static let energy = KnownEnergy<Double> { x in
    let x = phaseHalves(x, "RealPendulum.energy")
    return ((1 - cos(x.q)) * 2.4 + square(x.p)).sum(axes: 1)
  }

  /// Reads the text of the file: a line that starts with "%", then "trial time angle velocity" on each.
  /// - Throws: `FileError` where a line is something else, times do not rise, or there are fewer than ten lines.
  public init(text: String) throws {
    var times: [Double] = [], states: [[Double]] = []
    for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .enumerated()
    {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.isEmpty || line.hasPrefix("%") { continue }
      let numbers = words.compactMap { Double($0) }
      guard words.count == 4, numbers.count == 4, numbers.allSatisfy(\.isFinite) else {
        throw FileError(
          .malformed, in: "real pendulum: line \(number + 1)", expected: "trial, time, angle and velocity",
          found: String(line.prefix(60)))
      }
      guard times.last.map({ $0 < numbers[1] }) ?? true else {
        throw FileError(
          .malformed, in: "real pendulum: line \(number + 1)", expected: "a time after \(times.last!)",
          found: "\(numbers[1])")
      }
      times.append(numbers[1])
      states.append([numbers[2], numbers[3]])
    }
    guard times.count >= 10 else {
      throw FileError(
        .mismatch, in: "real pendulum", expected: "at least ten times", found: "\(times.count)")
    }
    self.times = times
    self.states = states
  }

  /// States with the differences to the next one over the time between as derivatives: the first four fifths to learn from,
  /// the fifth that follows (rounded down) to test on.
  public func dataset<Scalar: FloatingScalar>(_ type: Scalar.Type = Scalar.self) -> DerivativeDataset<Scalar>
  {
    func samples(_ range: Range<Int>) -> DerivativeSamples<Scalar> {
      let x = range.flatMap { states[$0] }
      let dx = range.flatMap { row in
        zip(states[row + 1], states[row]).map { ($0 - $1) / (times[row + 1] - times[row]) }
      }
      func rows(_ numbers: [Double]) -> Tensor<Scalar> {
        Tensor(numbers.map { Scalar($0) }, shape: [range.count, 2])
      }
      return DerivativeSamples(x: rows(x), dx: rows(dx))
    }
    return DerivativeDataset(train: samples(0..<trainingCount), test: samples(testRange))
  }

  /// The rows of the test set.
  public var testRange: Range<Int> {
    trainingCount..<trainingCount + Int(Double(states.count - 1) * (1 - 0.8))
  }

  private var trainingCount: Int { Int(Double(states.count - 1) * 0.8) }
}
