import Foundation
import NODECore

/// Convolutions and fused operations by their textbook loops, for the interpreter.
enum NaiveImages {
  static func convolution(
    _ operation: NODECore.Operation, _ x: [[Double]], _ types: [TensorType], _ shape: Shape
  )
    -> [Double]
  {
    var result = Array(repeating: 0.0, count: shape.count)
    /// Visits every product of an image element, a filter element and an output element.
    func visit(_ g: Convolution, _ images: Int, _ body: (_ input: Int, _ filter: Int, _ output: Int) -> Void)
    {
      let input = g.inputShape(images), output = g.outputShape(images)
      for n in 0..<images {
        for oy in 0..<g.outputHeight {
          for ox in 0..<g.outputWidth {
            for ky in 0..<g.kernelHeight {
              for kx in 0..<g.kernelWidth {
                let iy = oy * g.stride + ky - g.padTop, ix = ox * g.stride + kx - g.padLeft
                guard iy >= 0, iy < g.height, ix >= 0, ix < g.width else { continue }
                for ci in 0..<g.inputChannels {
                  for co in 0..<g.outputChannels {
                    body(
                      position(input, n, iy, ix, ci), position(g.filterShape, ky, kx, ci, co),
                      position(output, n, oy, ox, co))
                  }
                }
              }
            }
          }
        }
      }
    }
    switch operation {
    case .conv2d(let g):
      visit(g, shape[0]) { input, filter, output in result[output] += x[0][input] * x[1][filter] }
    case .conv2dInputGradient(let g):
      visit(g, shape[0]) { input, filter, output in result[input] += x[0][output] * x[1][filter] }
    case .conv2dFilterGradient(let g):
      visit(g, types[0].shape[0]) { input, filter, output in result[filter] += x[0][input] * x[1][output] }
    default: preconditionFailure("not a convolution")
    }
    return result
  }

  static func fused(
    _ operation: FusedOperation, _ x: [[Double]], _ types: [TensorType], _ results: [TensorType]
  ) -> [[Double]] {
    switch operation {
    case .groupNorm(let groups, let epsilon):
      var y = x[0], rstd = Array(repeating: 0.0, count: results[1].shape.count)
      for (group, members) in groupMembers(types[0].shape, groups).enumerated() {
        let mean = members.map { x[0][$0] }.reduce(0, +) / Double(members.count)
        let variance =
          members.map { (x[0][$0] - mean) * (x[0][$0] - mean) }.reduce(0, +) / Double(members.count)
        rstd[group] = 1 / (variance + epsilon).squareRoot()
        for member in members { y[member] = (x[0][member] - mean) * rstd[group] }
      }
      return [y, rstd]
    case .groupNormGradient(let groups):
      var dx = x[0]
      for (group, members) in groupMembers(types[0].shape, groups).enumerated() {
        let mean = members.map { x[2][$0] }.reduce(0, +) / Double(members.count)
        let slope = members.map { x[2][$0] * x[0][$0] }.reduce(0, +) / Double(members.count)
        for member in members { dx[member] = x[1][group] * (x[2][member] - mean - x[0][member] * slope) }
      }
      return [dx]
    case .softmaxCrossEntropy:
      let classes = types[0].shape.dimensions.last!
      return [
        x[1].enumerated().map { row, label in
          let logits = x[0][row * classes..<(row + 1) * classes]
          guard label >= 0, Int(label) < classes else { return .nan }
          let largest = logits.max()!
          return Foundation.log(logits.map { Foundation.exp($0 - largest) }.reduce(0, +)) + largest
            - x[0][row * classes + Int(label)]
        }
      ]
    case .softmaxCrossEntropyGradient:
      let classes = types[0].shape.dimensions.last!
      return [
        x[1].enumerated().flatMap { row, label -> [Double] in
          let logits = x[0][row * classes..<(row + 1) * classes]
          guard label >= 0, Int(label) < classes else { return Array(repeating: .nan, count: classes) }
          let exponentials = logits.map { Foundation.exp($0 - logits.max()!) }
          let total = exponentials.reduce(0, +)
          return exponentials.enumerated().map { x[2][row] * ($1 / total - ($0 == Int(label) ? 1 : 0)) }
        }
      ]
    case .pool2d(let maximum, let size, let stride):
      return [
        windows(types[0].shape, results[0].shape, size, stride).map { window in
          let elements = window.map { x[0][$0] }
          return maximum ? elements.max()! : elements.reduce(0, +) / Double(elements.count)
        }
      ]
    case .pool2dGradient(let maximum, let size, let stride):
      var dx = Array(repeating: 0.0, count: x[0].count)
      for (output, window) in windows(types[0].shape, types[1].shape, size, stride).enumerated() {
        if maximum {
          let largest = window.map { x[0][$0] }.max()!
          dx[window.first { x[0][$0] == largest }!] += x[1][output]
        } else {
          for input in window { dx[input] += x[1][output] / Double(window.count) }
        }
      }
      return [dx]
    }
  }

  private static func position(_ shape: Shape, _ a: Int, _ b: Int, _ c: Int, _ d: Int) -> Int {
    ((a * shape[1] + b) * shape[2] + c) * shape[3] + d
  }

  /// For every (image, group), the positions of its elements in [n, spatial..., c].
  private static func groupMembers(_ shape: Shape, _ groups: Int) -> [[Int]] {
    let channels = shape.dimensions.last!, images = shape[0]
    let positions = shape.count / max(images * channels, 1), width = channels / groups
    return (0..<images * groups).map { index in
      let (image, group) = (index / groups, index % groups)
      return (0..<positions).flatMap { position in
        (0..<width).map { (image * positions + position) * channels + group * width + $0 }
      }
    }
  }

  /// For every output element, the positions of its window in the input, in row-major order.
  private static func windows(_ input: Shape, _ output: Shape, _ size: Int, _ stride: Int) -> [[Int]] {
    var result: [[Int]] = []
    for n in 0..<output[0] {
      for oy in 0..<output[1] {
        for ox in 0..<output[2] {
          for c in 0..<output[3] {
            result.append(
              (0..<size * size).map {
                position(input, n, oy * stride + $0 / size, ox * stride + $0 % size, c)
              })
          }
        }
      }
    }
    return result
  }
}
