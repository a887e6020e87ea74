/// What a program consists of, programs of its solves' fields included. It follows from shapes and the instruction set
/// alone, so it is the same on every machine that runs the same kernels: what a check for regressions compares.
public struct ProgramCounters: Sendable, Hashable {
  /// Instructions.
  public var operations = 0
  /// Floating-point operations of one run, evaluations inside of solves left out.
  public var flops = 0
  /// Bytes of right-hand operands that are packed for the matmul and convolution kernels, each once a run or a solve.
  public var packedBytes = 0
  /// Solves, and gradients of solves.
  public var solves = 0, solveGradients = 0
  /// Floating-point operations of one evaluation for all lanes, summed over the solves: of the field; of the field
  /// that keeps what its derivative needs (exact gradients); of its vector-Jacobian product.
  public var evaluationFlops = 0, recomputationFlops = 0, productFlops = 0

  /// All zero.
  public init() {}

  /// Floating-point operations of one run whose solves counted these evaluations (`SolveStatistics`): `forward` and
  /// `recomputed` of the field, `backward` of its product. Nil where several solves share the counts, whose
  /// evaluations may differ in cost.
  public func flops(forward: Int, recomputed: Int, backward: Int) -> Int? {
    guard solves <= 1, solveGradients <= 1 else { return nil }
    let again = recomputationFlops > 0 ? recomputationFlops : evaluationFlops
    return flops + forward * evaluationFlops + recomputed * again + backward * productFlops
  }
}

extension Program {
  /// Counted from the instructions; nothing is run.
  public var counters: ProgramCounters {
    var counters = ProgramCounters()
    counters.add(program)
    counters.flops = program.cost.flops + program.instructions.reduce(0) { $0 + $1.kernel.setupFlops }
    return counters
  }
}

extension ProgramCounters {
  fileprivate mutating func add(_ program: ProgramDescription) {
    operations += program.instructions.count
    for instruction in program.instructions {
      switch instruction.kernel {
      case .pack(_, _, _, let k, let n): packedBytes += KernelSizes.packedBytes(instruction.dtype, k: k, n: n)
      case .solve(let solve):
        solves += 1
        evaluationFlops += solve.evaluationCost.flops
        solve.programs.forEach { add($0) }
      case .solveGradient(let solve):
        solveGradients += 1
        recomputationFlops += solve.fieldForward?.bodyCost(lanes: solve.lanes).flops ?? 0
        productFlops += (solve.fieldBackward ?? solve.fieldVJP)?.bodyCost(lanes: solve.lanes).flops ?? 0
        solve.programs.forEach { add($0) }
      default: break
      }
    }
  }
}

extension NestedSolve {
  fileprivate var programs: [ProgramDescription] {
    [field, fieldForward, fieldBackward, fieldVJP, fieldAdjoint].compactMap { $0 }
  }
}

extension Kernel {
  /// What a solve does once, before its first evaluation.
  fileprivate var setupFlops: Int {
    switch self {
    case .solve(let solve), .solveGradient(let solve):
      solve.programs.reduce(0) { $0 + $1.setupCost(lanes: solve.lanes).flops }
    default: 0
    }
  }
}
