/// A method of integration: a name, a validated table and where it comes from.
public struct Method: Sendable, Hashable, CustomStringConvertible {
  /// As the literature writes it, in lower case.
  public let name: String
  /// The coefficients; a table that could be made has the order that it says.
  public let tableau: Tableau

  /// A method of your own, named as its table is.
  public init(_ tableau: Tableau) {
    name = tableau.name
    self.tableau = tableau
  }

  /// Of the solution that is propagated, 1 to `Tableau.mostOrder`.
  public var order: Int { tableau.order }
  /// Whether steps can adapt: there is an embedded solution.
  public var isAdaptive: Bool { tableau.embeddedOrder > 0 }
  public var description: String { name }

  /// Every method there is; tests measure each one's order.
  public static let all: [Method] = [.euler, .midpoint, .heun, .rk4, .bosh3, .dopri5, .tsit5]
}
