/// What is done along the last axis of rows [rows..., n]; rows do not talk to each other. See rowwise.c.
package enum RowOperation: Sendable, Hashable {
  /// x [rows..., n] -> [rows..., n]: sums up to and including each element, from the end where `backward`.
  case cumulativeSum(backward: Bool)
  /// x [rows..., n] -> int32 [rows..., n]: indices that sort each row; equal elements keep their order, NaN is largest.
  case argsort(descending: Bool)
  /// x [rows..., entries], indices int32 [rows..., n] -> [rows..., n].
  case takeAlong
  /// x [rows..., n], indices int32 [rows..., n] -> [rows..., entries]; duplicates add. The transpose of `takeAlong`.
  case addAlong(entries: Int)

  package var name: String {
    switch self {
    case .cumulativeSum: "cumulativeSum"
    case .argsort: "argsort"
    case .takeAlong: "takeAlong"
    case .addAlong: "addAlong"
    }
  }
}
