// The compiler's own form of a program: numbered values, instructions that compute them, and views of them.

/// Index of a value of an `IR`.
typealias ValueID = Int

/// What an instruction computes. Operands of elementwise operations, copies, padding and concatenation may be any view;
/// all others read contiguous operands.
enum Opcode: Hashable {
  case elementwise(Elementwise)
  case convert
  case copy
  /// The number's bits, so that zeros of both signs and NaN compare.
  case fill(UInt64)
  case pad(low: [Int], interior: [Int])
  case concatenate(axis: Int)
  /// Pieces copied to their places in zeros (`covers`: no element is left out).
  case assemble(lows: [[Int]], covers: Bool)
  /// Adjacent axes.
  case reduce(Reduction, axes: Range<Int>)
  case gather
  case scatterAdd
  case rowwise(RowOperation)
  case pack(PackLayout, k: Int, n: Int)
  /// Operands a [rows, k], packed, and what the epilogue reads: the bias, then the factor.
  case matmul(k: Int, n: Int, Epilogue)
  /// a [rows, m], b [rows, n] -> [m, n]; or the sum of that and of the same of two operands more.
  case matmulOuter
  case matmulBatched(transposeA: Bool, transposeB: Bool)
  /// Operands as the kernel reads them: without the factored matrix itself.
  case matrix(MatrixOperation)
  case conv(ConvolutionGeometry, bias: Bool, activation: Elementwise?)
  case convInputGradient(ConvolutionGeometry)
  case convFilterGradient(ConvolutionGeometry)
  case fused(FusedOperation)
  case random(RandomDistribution)
  /// Index into `IR.scans`.
  case scan(Int)
  /// Index into `IR.solves`.
  case solve(Int)
  // In programs that a solver runs:
  /// Adds a value of one block to an accumulator.
  case accumulate
  /// The only lane as a tensor that an instruction reads as a whole, and back.
  case laneToWhole
  case wholeToLane
}

/// What a product does to its result while that is in cache: activation(product + bias) * factor.
struct Epilogue: Hashable {
  var hasBias = false
  var activation: Elementwise?
  var factor: ProductFactor?
}

/// How the elements of a value lie in the storage of another one: offset + sum of index * stride, in elements.
struct StridedView: Hashable {
  var base: ValueID
  var offset: Int
  var strides: [Int]
}

struct IRValue {
  enum Definition {
    /// Argument number.
    case input(Int)
    /// Kept by another program of the same solver, at this offset of the residual space.
    case residual(Int)
    case constant(Storage)
    case splat(Double)
    /// Instruction and which of its results.
    case result(Int, Int)
    /// Reads another value's storage in another way; the base is never itself a view.
    case view(StridedView)
  }

  var type: TensorType
  var definition: Definition

  var shape: Shape { type.shape }
  var count: Int { type.shape.count }
}

struct IRInstruction {
  var opcode: Opcode
  var operands: [ValueID]
  var results: [ValueID]
  /// The source's name of it, for reports.
  var name: String
}

struct IR {
  private(set) var values: [IRValue] = []
  private(set) var instructions: [IRInstruction] = []
  var scans: [(instruction: ScanInstruction, body: ScanBody)] = []
  /// What `scans` became, for those that live.
  var loweredScans: [Int: LoweredScan] = [:]
  var solves: [SolveInstruction] = []
  /// What `solves` became, for those that live.
  var loweredSolves: [Int: LoweredSolve] = [:]

  private struct Key: Hashable {
    var opcode: Opcode
    var operands: [ValueID]
    var types: [TensorType]
  }
  private struct ViewKey: Hashable {
    var view: StridedView
    var shape: Shape
  }
  private struct SplatKey: Hashable {
    var bits: UInt64
    var type: TensorType
  }
  private var known: [Key: [ValueID]] = [:]
  private var views: [ViewKey: ValueID] = [:]
  private var splats: [SplatKey: ValueID] = [:]

  subscript(id: ValueID) -> IRValue { values[id] }

  mutating func addValue(_ type: TensorType, _ definition: IRValue.Definition) -> ValueID {
    values.append(IRValue(type: type, definition: definition))
    return values.count - 1
  }

  mutating func splat(_ x: Double, _ type: TensorType) -> ValueID {
    let key = SplatKey(bits: x.bitPattern, type: type)
    if let id = splats[key] { return id }
    let id = addValue(type, .splat(x))
    splats[key] = id
    return id
  }

  /// The results of an instruction; those of an equal one where there is one already, unless it has to be `fresh`.
  mutating func emit(
    _ opcode: Opcode, _ operands: [ValueID], _ types: [TensorType], name: String, fresh: Bool = false
  ) -> [ValueID] {
    let key = Key(opcode: opcode, operands: operands, types: types)
    if !fresh, let results = known[key] { return results }
    let number = instructions.count
    let results = types.indices.map { addValue(types[$0], .result(number, $0)) }
    instructions.append(IRInstruction(opcode: opcode, operands: operands, results: results, name: name))
    if !fresh { known[key] = results }
    return results
  }

  /// The result of an instruction that there is already.
  func find(_ opcode: Opcode, _ operands: [ValueID], _ type: TensorType) -> ValueID? {
    known[Key(opcode: opcode, operands: operands, types: [type])]?[0]
  }

  // MARK: Views

  /// Where the elements of a value lie; nil for splats, which lie nowhere.
  func view(_ id: ValueID) -> StridedView? {
    switch values[id].definition {
    case .view(let view): view
    case .splat: nil
    case .input, .residual, .constant, .result:
      StridedView(base: id, offset: 0, strides: values[id].shape.strides)
    }
  }

  /// The value that reads a base by `view`: the base itself where the view is its own layout.
  mutating func value(of view: StridedView, shape: Shape) -> ValueID {
    let base = values[view.base]
    if view.offset == 0 && shape == base.shape && isContiguous(view.strides, shape) { return view.base }
    // Strides of axes of extent 1 mean nothing: made equal so that equal views compare equal.
    var canonical = view
    for axis in 0..<shape.rank where shape[axis] == 1 { canonical.strides[axis] = 0 }
    let key = ViewKey(view: canonical, shape: shape)
    if let id = views[key] { return id }
    let id = addValue(TensorType(base.type.dtype, shape), .view(canonical))
    views[key] = id
    return id
  }

  func isContiguous(_ strides: [Int], _ shape: Shape) -> Bool {
    if shape.count == 0 { return true }
    var expected = 1
    for axis in (0..<shape.rank).reversed() where shape[axis] != 1 {
      if strides[axis] != expected { return false }
      expected *= shape[axis]
    }
    return true
  }

  func isContiguous(_ id: ValueID) -> Bool {
    guard let view = view(id) else { return false }
    return isContiguous(view.strides, values[id].shape)
  }

  /// The value itself or a copy whose elements are adjacent.
  mutating func contiguous(_ id: ValueID, name: String) -> ValueID {
    if case .splat(let x) = values[id].definition {
      return emit(.fill(x.bitPattern), [], [values[id].type], name: "fill")[0]
    }
    if isContiguous(id) { return id }
    return emit(.copy, [id], [values[id].type], name: name)[0]
  }

  /// Replaces operands and opcode of an instruction, for peephole passes.
  mutating func replace(_ number: Int, _ opcode: Opcode, _ operands: [ValueID], name: String) {
    instructions[number].opcode = opcode
    instructions[number].operands = operands
    instructions[number].name = name
  }

  /// Makes a computed value one that another program kept.
  mutating func setResidual(_ id: ValueID, offset: Int) { values[id].definition = .residual(offset) }

  /// Makes a computed value one that comes from outside.
  mutating func setInput(_ id: ValueID, slot: Int) { values[id].definition = .input(slot) }

  mutating func setType(_ id: ValueID, _ type: TensorType) { values[id].type = type }

  /// The instruction that computes the storage a value lies in.
  func producer(_ id: ValueID) -> Int? {
    guard let view = view(id), case .result(let number, _) = values[view.base].definition else { return nil }
    return number
  }
}
