import CKernels
import Foundation
import Testing

/// How an operand of shape [lanes, 6, 7, 8] is walked.
struct AccessPattern: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let lane: Int, strides: [Int], offset: Int
  static let dims = [6, 7, 8]
  static let all = [
    AccessPattern(testDescription: "contiguous", lane: 336, strides: [56, 8, 1], offset: 0),
    AccessPattern(testDescription: "scalar", lane: 0, strides: [0, 0, 0], offset: 3),
    AccessPattern(testDescription: "of a lane", lane: 1, strides: [0, 0, 0], offset: 0),
    AccessPattern(testDescription: "shared by lanes", lane: 0, strides: [56, 8, 1], offset: 0),
    AccessPattern(testDescription: "bias", lane: 0, strides: [0, 0, 1], offset: 0),
    AccessPattern(testDescription: "repeated along the inner axis", lane: 42, strides: [7, 1, 0], offset: 0),
    AccessPattern(testDescription: "column", lane: 0, strides: [0, 1, 0], offset: 0),
    AccessPattern(testDescription: "transposed", lane: 336, strides: [1, 48, 6], offset: 0),
    AccessPattern(testDescription: "reversed", lane: 336, strides: [56, 8, -1], offset: 7),
    AccessPattern(testDescription: "every other", lane: 672, strides: [112, 16, 2], offset: 1),
  ]
  func index(_ lane: Int, _ i: Int, _ j: Int, _ k: Int) -> Int {
    offset + lane * self.lane + i * strides[0] + j * strides[1] + k * strides[2]
  }
}

@Suite struct EwiseMachineTests {
  /// a * b + 0.5 * (a - b) and a - b, with operands walked in every pair of ways, against plain loops.
  @Test(arguments: [nk_dtype.NK_F32, .NK_F64], AccessPattern.all)
  func operandsInEveryPattern(dtype: nk_dtype, first: AccessPattern) {
    for second in AccessPattern.all {
      for (lanes, block) in [(1, 1), (9, 4)] {
        let p = ProgramBuilder(dtype)
        p.blockLanes = Int64(block)
        let out = p.argument(336, lanes: true), other = p.argument(336, lanes: true)
        // As many elements in a lane as the view steps over.
        let x = p.argument(first.lane, lanes: first.lane > 0)
        let y = p.argument(second.lane, lanes: second.lane > 0)
        p.elementwise(
          dims: AccessPattern.dims,
          operands: [
            view(x, offset: first.offset, lane: first.lane, first.strides),
            view(y, offset: second.offset, lane: second.lane, second.strides),
          ], constants: [0.5],
          code: [(.subtract, 0, 1, 0), (.multiply, 0, 1, 0), (.fma, 2, 3, 4)],
          outputs: [(out, 5), (other, 3)])
        p.region(.NK_REGION_LANES, lanes: lanes)
        var random = SeededGenerator(state: 3)
        let inA = Operand(random: 8000, dtype, using: &random),
          inB = Operand(random: 8000, dtype, using: &random)
        let results = [Operand(336 * lanes, dtype), Operand(336 * lanes, dtype)]
        let status = ProgramBuilder.run(p.build(), results + [inA, inB]).status
        #expect(status == .NK_SUCCESS)
        var worst = 0.0, at = 0
        for lane in 0..<lanes {
          for i in 0..<6 {
            for j in 0..<7 {
              for k in 0..<8 {
                let x = inA[first.index(lane, i, j, k)], y = inB[second.index(lane, i, j, k)]
                worst = max(
                  worst, abs(results[0][at] - (x * y + 0.5 * (x - y))), abs(results[1][at] - (x - y)))
                at += 1
              }
            }
          }
        }
        #expect(worst < (dtype == .NK_F64 ? 1e-15 : 4e-7), "\(first) \(second) \(lanes)")
      }
    }
  }

  /// An output on top of an operand that is read again after the output's register was first written.
  @Test func inPlace() {
    let n = 5000
    let p = ProgramBuilder()
    let x = p.argument(n), y = p.argument(n)
    p.elementwise(
      dims: [n], operands: [view(x, [1]), view(y, [1])],
      code: [(.add, 0, 1, 0), (.multiply, 2, 0, 0)], outputs: [(x, 3), (y, 2)])
    p.region(.NK_REGION_SERIAL)
    var random = SeededGenerator(state: 4)
    let a = Operand(random: n, .NK_F64, using: &random), b = Operand(random: n, .NK_F64, using: &random)
    let (before, other) = (a.values, b.values)
    #expect(ProgramBuilder.run(p.build(), [a, b]).status == .NK_SUCCESS)
    #expect(a.values == zip(before, other).map { ($0 + $1) * $0 })
    #expect(b.values == zip(before, other).map { $0 + $1 })
  }

  /// Registers at the limit, an operand and a constant as outputs, one register in two outputs.
  @Test func manyRegistersAndOddOutputs() {
    let n = 777
    let p = ProgramBuilder()
    let x = p.argument(n)
    let outs = (0..<4).map { _ in p.argument(n) }
    var code: [(Elementwise, UInt8, UInt8, UInt8)] = [(.add, 0, 1, 0)]
    while code.count < Int(NK_VM_REGISTERS) - 2 { code.append((.add, UInt8(code.count + 1), 1, 0)) }
    p.elementwise(
      dims: [n], operands: [view(x, [1])], constants: [1], code: code,
      outputs: [(outs[0], 0), (outs[1], 1), (outs[2], 47), (outs[3], 47)])
    p.region(.NK_REGION_SERIAL)
    let input = Operand((0..<n).map(Double.init), .NK_F64)
    let results = outs.map { _ in Operand(n, .NK_F64) }
    #expect(ProgramBuilder.run(p.build(), [input] + results).status == .NK_SUCCESS)
    #expect(results[0].values == input.values)
    #expect(results[1].values.allSatisfy { $0 == 1 })
    #expect(results[2].values == input.values.map { $0 + 46 } && results[3].values == results[2].values)
  }
}
