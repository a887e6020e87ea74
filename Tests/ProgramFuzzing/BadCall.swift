import NODECore

/// One call of the public interface each seed, with arguments drawn without regard to what fits. It has to give a result, throw
/// `SolveError`, or stop with a message that names the operation and what did not fit; never anything else.
package enum BadCall {
  /// - Returns: the call in words.
  package static func run(seed: Int) throws -> String {
    var arguments = Arguments(seed: seed)
    let (name, call) = calls[arguments.below(calls.count)]
    do { try call(&arguments) } catch is SolveError {
      return "\(name): SolveError"
    } catch is CompileError {
      // A field that mixes its rows where every lane has steps of its own.
      return "\(name): CompileError"
    }
    return "\(name): a result"
  }

  /// The name of the seed's call.
  package static func name(seed: Int) -> String {
    var arguments = Arguments(seed: seed)
    return calls[arguments.below(calls.count)].0
  }

  package static var names: [String] { calls.map(\.0) }

  /// What a stop of the seed's call has to begin with: our own message, not that of a trap of the standard library, which in
  /// an optimised program says nothing; and in it the name of what was called.
  package static func isDocumented(_ message: String, seed: Int) -> Bool {
    guard let line = message.split(separator: "\n").first(where: { $0.contains("Fatal error: ") }) else {
      return false
    }
    let text = line[line.firstRange(of: "Fatal error: ")!.upperBound...]
    // "operation: what was expected, what was given".
    guard let colon = text.firstIndex(of: ":") else { return false }
    return operations(of: name(seed: seed)).contains(String(text[..<colon])) && text[colon...].count >= 12
      && !line.contains("Swift/")
  }

  /// The operations in whose name a call may stop: what it is called, the shape of a result that nobody can count, and what
  /// it does besides.
  private static func operations(of call: String) -> [String] {
    [String(call.prefix { $0 != " " }), "Shape"] + (besides[call] ?? [])
  }

  private static let besides: [String: [String]] = [
    "power": ["pow"], "where": ["select", "greater"], "compiled": ["add"], "reshaped": ["reshape"],
    "padded": ["pad"], "sliced": ["slice"], "permuted": ["permute"], "concatenated": ["concatenate"],
    "scatterAdded": ["scatterAdd"], "takenAlong": ["takeAlong"], "addedAlong": ["addAlong"],
    "sum": ["mean"], "gradient": ["multiply"], "hvp": ["jvp"], "vjp": ["sum"],
    "odeint": ["multiply", "subtract"],
    "odeint per lane": ["multiply", "mean"], "odeint gradient": ["multiply", "SensitivityMethod.exact"],
    "Controller.fixed": ["odeint"], "Controller.stepsPerInterval": ["Controller.fixed", "odeint"],
    "Controller.adaptive": ["odeint"], "RandomKey.fold": ["fold(in"], "Runtime.threads": ["withThreads"],
  ]

  struct Arguments {
    var generator: SplitMix
    init(seed: Int) { generator = SplitMix(seed: seed &+ 0x5EED) }

    mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &generator) }
    mutating func pick<Element>(_ elements: [Element]) -> Element {
      elements.randomElement(using: &generator)!
    }
    mutating func truth() -> Bool { Bool.random(using: &generator) }

    /// Small counts mostly, with those at which arithmetic goes wrong.
    mutating func integer() -> Int {
      below(8) == 0
        ? pick([.min, .max, .max / 2, -1, 1 << 31, 1 << 32, 1 << 62, -(1 << 40), 100_000]) : below(9) - 3
    }

    mutating func extent() -> Int { pick([0, 1, 1, 2, 2, 3, 3, 4, 5]) }
    mutating func shape() -> Shape {
      Shape((0..<pick([0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5])).map { _ in extent() })
    }
    mutating func real() -> Double {
      pick([0, 1, -1, 0.5, 1e-300, 1e300, .infinity, -.infinity, .nan, 2, 0.1, 1e-9, 3, -7])
    }

    mutating func tensor(_ shape: Shape? = nil) -> Tensor<Double> {
      let shape = shape ?? self.shape()
      if below(12) == 0 { return Tensor(repeating: real(), shape: shape) }
      return Tensor((0..<shape.count).map { _ in Double.random(in: -2...2, using: &generator) }, shape: shape)
    }

    /// Often of a shape that fits to the other one.
    mutating func like(_ other: Tensor<Double>) -> Tensor<Double> { truth() ? tensor(other.shape) : tensor() }
    mutating func square() -> Tensor<Double> {
      let n = extent()
      return truth() ? tensor([n, n]) : tensor()
    }

    mutating func integers(_ shape: Shape? = nil) -> Tensor<Int32> {
      let shape = shape ?? self.shape()
      return Tensor((0..<shape.count).map { _ in pick([0, 1, 2, 3, -1, .max, .min, 100]) }, shape: shape)
    }

    mutating func list() -> [Int] { (0..<below(4)).map { _ in integer() } }
  }

  static let calls: [(String, Call)] =
    elementwise + structure + matrices + images + solves + others
}
