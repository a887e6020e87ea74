import CKernels

/// A validated program in the kernels' memory: `nk_program` and everything that it points to, in one block.
///
/// `@unchecked Sendable`: the block is written inside of `init` and only read afterwards, by any number of runs.
package final class ProgramImage: @unchecked Sendable {
  private let block: UnsafeMutableRawPointer
  let program: UnsafePointer<nk_program>
  /// Of the program's own structures and constants.
  package let byteCount: Int
  package let argumentCount: Int
  let description: ProgramDescription

  /// `inputs`: how many of the arguments the program must not write.
  package init(_ description: ProgramDescription, inputs: Int) throws(InvalidProgram) {
    try description.validate(inputs: inputs)
    var measure = ImageWriter(into: nil)
    _ = measure.pointer(to: measure.program(description))
    byteCount = measure.bytes
    block = .allocate(byteCount: measure.bytes, alignment: KernelSizes.alignment)
    var writer = ImageWriter(into: block)
    program = writer.pointer(to: writer.program(description))!
    argumentCount = description.arguments.count
    self.description = description
  }

  deinit { block.deallocate() }

  /// Memory of one run with so many threads: arena, blocks, accumulators, nested solves.
  package func workspaceBytes(threads: Int) -> Int {
    Runtime.requireThreads(threads, "workspaceBytes")
    return Int(nk_program_workspace_bytes(program, Int32(threads)))
  }

  /// One run. `arguments`: as many as the description has, each with all of its bytes; `workspace`: 64-byte aligned, at
  /// least `workspaceBytes` for the pool's number of threads. Allocates nothing.
  package func run(
    arguments: UnsafePointer<UnsafeMutableRawPointer?>, workspace: UnsafeMutableRawPointer, pool: ThreadPool?
  ) throws(SolveError) {
    try reporting { nk_program_run(program, arguments, workspace, pool?.pool, $0) }
  }

  /// Throws what a run diagnosed. Allocates nothing where nothing is to be thrown.
  func reporting(_ run: (UnsafeMutablePointer<nk_diagnosis>) -> nk_status) throws(SolveError) {
    var failure = nk_failure()
    failure.origin.op = -1
    let error = withUnsafeMutablePointer(to: &failure) { failure -> SolveError? in
      var diagnosis = nk_diagnosis()
      diagnosis.lane = -1
      diagnosis.component = -1
      diagnosis.failure = failure
      let status = run(&diagnosis)
      guard status != .NK_SUCCESS else { return nil }
      diagnosis.status = status
      return description.error(diagnosis)
    }
    if let error { throw error }
  }
}

extension Instruction {
  /// Scratch that it needs in blocks of so many lanes (1 in a serial region); not for solves, whose memory the executor
  /// plans itself.
  package func scratchBytes(blockLanes: Int) -> Int {
    var measure = ImageWriter(into: nil)
    _ = measure.instruction(self)
    return withUnsafeTemporaryAllocation(byteCount: max(measure.bytes, 1), alignment: KernelSizes.alignment) {
      var writer = ImageWriter(into: $0.baseAddress!)
      var instruction = writer.instruction(self)
      return Int(nk_instr_scratch_bytes(&instruction, Int64(blockLanes)))
    }
  }
}

extension NestedSolve {
  /// Bytes of the tape buffer.
  package func tapeBytes() -> Int {
    var measure = ImageWriter(into: nil)
    _ = measure.ode(self)
    let block = UnsafeMutableRawPointer.allocate(byteCount: measure.bytes, alignment: KernelSizes.alignment)
    defer { block.deallocate() }
    var writer = ImageWriter(into: block)
    var ode = writer.ode(self)
    return Int(nk_ode_tape_bytes(&ode))
  }
}
