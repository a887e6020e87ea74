/// What the check counts, one case an entry of a baseline. All but the instruction counts follow from the program and
/// its numbers alone: they are equal on every machine with AVX2.
public enum Counter: String, CaseIterable, Codable, Sendable, CodingKeyRepresentable {
  /// Memory of a run with one thread beside its inputs and outputs.
  case plannedBytes = "planned_bytes"
  /// Instructions of the program and of its solves' fields.
  case operations
  /// Floating-point operations of one run, evaluations of fields included.
  case flops
  /// Bytes of packed operands.
  case packedBytes = "packed_bytes"
  /// Evaluations of fields in forward solves, and of their products in gradients.
  case forwardEvaluations = "forward_evaluations", backwardEvaluations = "backward_evaluations"
  /// Forward evaluations repeated for gradients.
  case recomputedEvaluations = "recomputed_evaluations"
  /// Allocations in a hot loop: steps of a trainer after the first, steps of a solver.
  case loopAllocations = "loop_allocations"
  /// Instructions of the processor for one run, and for tracing, differentiating and compiling it (callgrind).
  case runInstructions = "run_instructions", compileInstructions = "compile_instructions"

  /// Counted by callgrind: they depend on the compiler and the C library.
  public var isInstructions: Bool { self == .runInstructions || self == .compileInstructions }

  public var title: String {
    switch self {
    case .plannedBytes: "planned bytes"
    case .operations: "program operations"
    case .flops: "flops"
    case .packedBytes: "packed bytes"
    case .forwardEvaluations: "evaluations forward"
    case .backwardEvaluations: "evaluations backward"
    case .recomputedEvaluations: "evaluations repeated"
    case .loopAllocations: "allocations in the loop"
    case .runInstructions: "instructions of a run"
    case .compileInstructions: "instructions of compiling"
    }
  }
}

public typealias Counters = [Counter: Int]
