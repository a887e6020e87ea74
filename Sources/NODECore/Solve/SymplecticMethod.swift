/// An explicit symplectic method for q' = v(p), p' = f(q), the equations of a separable Hamiltonian T(p) + V(q): drifts
/// q += a h v(p) and kicks p += b h f(q), one after the other (Hairer, Lubich, Wanner, "Geometric Numerical Integration",
/// II.5). Each is a shear, so a step is symplectic whatever v and f the gradients of.
///
/// Given are the stages. *Derived* are the order and whether steps are symmetric, so no table can claim what it is not.
public struct SymplecticMethod: Sendable, Hashable, CustomStringConvertible {
  /// One shear: h is the step, a and b are coefficients.
  public enum Stage: Sendable, Hashable {
    /// q += a h v(p).
    case drift(Double)
    /// p += b h f(q).
    case kick(Double)
  }

  /// As messages have it.
  public let name: String
  /// Drifts and kicks in turn.
  public let stages: [Stage]
  /// The largest p, up to `mostOrder`, for which a step has a local error of order h^(p + 1) for every T and V.
  public let order: Int
  /// The stages read the same from both ends, so a step back undoes a step: the order is even, and reversing the momenta
  /// reverses the motion.
  public let isSymmetric: Bool

  /// Orders are derived up to it.
  public static let mostOrder = 8

  /// - Parameters:
  ///   - name: as messages have it.
  ///   - stages: drifts and kicks in turn, in the order in which they are made; coefficients finite, each kind's sum 1.
  public init(name: String, stages: [Stage]) {
    let order = Self.order(of: stages)
    require(
      order >= 1,
      "SymplecticMethod \(name): the coefficients of drifts and those of kicks must sum to 1, got \(stages)")
    require(
      zip(stages, stages.dropFirst()).allSatisfy { $0.isKick != $1.isKick },
      "SymplecticMethod \(name): drifts and kicks must take turns, got \(stages)")
    self.name = name
    self.stages = stages
    self.order = order
    isSymmetric = zip(stages, stages.reversed()).allSatisfy {
      $0.isKick == $1.isKick && abs($0.coefficient - $1.coefficient) <= Self.tolerance
    }
  }

  /// The first and the last stage are of one kind: what the last one evaluates serves the next step's first one.
  public var isFirstSameAsLast: Bool { stages.count > 1 && stages.first!.isKick == stages.last!.isKick }
  /// Evaluations of the force in a step after the first.
  public var forcesPerStep: Int {
    stages.count(where: \.isKick) - (isFirstSameAsLast && stages[0].isKick ? 1 : 0)
  }
  public var description: String { name }

  /// Rounding that published decimal coefficients may carry.
  private static let tolerance = 1e-12

  /// A step is the product of exponentials of the two vector fields; it has order p where that product equals exp(h (A + B))
  /// up to h^p. In the free algebra of two letters that is one condition a word w: its coefficient is 1 / |w|!. A word's
  /// coefficient in the product is a sum over the ways to cut it into one piece for each stage, of that stage's letter only;
  /// a piece of length m counts c^m / m!.
  private static func order(of stages: [Stage]) -> Int {
    guard stages.allSatisfy({ $0.coefficient.isFinite }) else { return 0 }
    func residual(_ word: Int, _ length: Int) -> Double {
      // prefix[k]: the coefficient of the first k letters in the product of the stages so far.
      var prefix = [1.0] + [Double](repeating: 0, count: length)
      for stage in stages {
        for end in stride(from: length, to: 0, by: -1) {
          var weight = 1.0, start = end
          while start > 0, (word >> (start - 1) & 1 == 1) == stage.isKick {
            start -= 1
            weight *= stage.coefficient / Double(end - start)
            prefix[end] += weight * prefix[start]
          }
        }
      }
      return abs(prefix[length] - 1 / (1...length).reduce(1.0) { $0 * Double($1) })
    }
    return (1...mostOrder).prefix { length in
      (0..<1 << length).allSatisfy { residual($0, length) <= tolerance }
    }.count
  }
}

extension SymplecticMethod.Stage {
  /// Whether it moves p; a drift moves q.
  public var isKick: Bool {
    if case .kick = self { true } else { false }
  }

  /// a or b: the stage's share of the step. Negative ones go back.
  public var coefficient: Double {
    switch self {
    case .drift(let a): a
    case .kick(let b): b
    }
  }
}
