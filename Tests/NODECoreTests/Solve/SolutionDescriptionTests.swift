import Testing

@testable import NODECore

@Suite struct SolutionDescriptionTests {
  @Test func aSolutionSaysWhatItIsAndHowItEnded() throws {
    let start = Tensor<Double>([1, 2])
    let whole = try odeint(from: start, at: [0, 0.5, 1]) { _, y in -y }
    #expect("\(whole)".hasPrefix("solution [3, 2] by dopri5 at 3 times: success: "), "\(whole)")
    let failed = solve(from: start, at: [0, 2], maxSteps: 3) { _, y in y * y }
    #expect("\(failed)".contains("maximum number of steps") || "\(failed)".contains("maxSteps"), "\(failed)")
    var words = ""
    _ = try gradient(at: start) { y0 in
      let path = try odeint(from: y0, at: [0, 1]) { _, y in -y }
      words = "\(path)"
      return path.final.sum()
    }
    #expect(words == "solution [2, 2] by dopri5 at 2 times, in a trace")
  }
}
