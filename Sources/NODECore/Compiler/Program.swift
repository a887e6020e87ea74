/// A graph, lowered to instructions of the kernels: immutable, `Sendable` and re-entrant.
///
/// Any number of tasks may run the same program at once. Each run borrows a workspace (arena, block scratch, memory of
/// nested solves: one size, known before) from the program and gives it back; nothing is allocated after the first run
/// at a given concurrency. Results do not depend on the number of threads.
public final class Program: Sendable {
  package let inputTypes: [TensorType]
  package let outputTypes: [TensorType]
  package let program: ProgramDescription
  private let image: ProgramImage
  private let workspaces: WorkspaceList

  /// Arguments are the inputs, then the outputs.
  package init(_ description: ProgramDescription, inputs: [TensorType], outputs: [TensorType])
    throws(InvalidProgram)
  {
    let arguments = (inputs + outputs).map { ProgramDescription.Argument(bytes: $0.byteCount) }
    guard description.arguments == arguments else {
      throw InvalidProgram(
        "program: arguments of \(description.arguments.map(\.bytes)) bytes, expected \(arguments.map(\.bytes))"
      )
    }
    inputTypes = inputs
    outputTypes = outputs
    program = description
    image = try ProgramImage(description, inputs: inputs.count)
    workspaces = WorkspaceList(argumentCount: arguments.count)
  }

  /// The program that computes `outputs` from `inputs`.
  package static func compile(
    inputs: [Value], outputs: [Value], options: CompileOptions = CompileOptions()
  ) throws -> Program {
    let description = try lower(inputs: inputs, outputs: outputs, options: options)
    return try Program(description, inputs: inputs.map(\.type), outputs: outputs.map(\.type))
  }

  // MARK: Running

  /// One run on memory of the caller: one address an input and an output, each with all the bytes of its type, outputs
  /// apart from each other and from the inputs. Allocates nothing after the first run.
  package func run(inputs: [UnsafeRawPointer], outputs: [UnsafeMutableRawPointer]) throws {
    require(
      inputs.count == inputTypes.count && outputs.count == outputTypes.count,
      "Program.run: takes \(inputTypes.count) inputs and \(outputTypes.count) outputs, got \(inputs.count) and \(outputs.count)"
    )
    let pool = Runtime.currentPool()
    try withWorkspace(inputs, outputs, pool) { workspace throws(SolveError) in
      try image.run(arguments: workspace.arguments, workspace: workspace.pointer, pool: pool)
    }
  }

  private func withWorkspace<Result>(
    _ inputs: [UnsafeRawPointer], _ outputs: [UnsafeMutableRawPointer], _ pool: ThreadPool?,
    _ body: (Workspace) throws(SolveError) -> Result
  ) throws(SolveError) -> Result {
    let bytes = image.workspaceBytes(threads: pool?.threads ?? 1)
    return try workspaces.withWorkspace(byteCount: bytes) { workspace throws(SolveError) in
      // The kernels take one table of addresses; that they only read the inputs is checked when the image is made.
      for (index, input) in inputs.enumerated() {
        workspace.arguments[index] = UnsafeMutableRawPointer(mutating: input)
      }
      for (index, output) in outputs.enumerated() { workspace.arguments[inputs.count + index] = output }
      return try body(workspace)
    }
  }

  /// What `runs` runs counted, after one that was not.
  package func sheet(inputs: [UnsafeRawPointer], outputs: [UnsafeMutableRawPointer], runs: Int) throws
    -> ProfileSheet
  {
    let pool = Runtime.currentPool()
    return try withWorkspace(inputs, outputs, pool) { workspace throws(SolveError) in
      try image.profile(
        arguments: workspace.arguments, workspace: workspace.pointer, pool: pool, runs: runs)
    }
  }

  /// One run on storages; the outputs are new. Throws what a solve inside throws.
  package func run(_ inputs: [Storage]) throws -> [Storage] {
    for (index, (input, type)) in zip(inputs, inputTypes).enumerated() {
      require(
        input.byteCount == type.byteCount,
        "Program.run: input \(index) has \(input.byteCount) bytes, a \(type) \(type.byteCount)")
    }
    // Nobody else sees the new storages before the run has filled them.
    let outputs = try outputTypes.map { try Storage(uninitialized: $0.byteCount) }
    try run(inputs: inputs.map { UnsafeRawPointer($0.pointer) }, outputs: outputs.map(\.pointer))
    return outputs
  }

  // MARK: Cost

  /// Memory that a run with so many threads uses beside its inputs and outputs, nested solves included.
  public func plannedBytes(threads: Int) -> Int { image.workspaceBytes(threads: threads) }

  /// Memory that a run uses beside its inputs and outputs, with the threads in force.
  public var plannedBytes: Int { plannedBytes(threads: Runtime.currentThreads) }

  /// Memory of the program itself: instructions and constants.
  public var programBytes: Int { image.byteCount }

  /// Instructions, those of nested solves' fields not counted.
  public var operationCount: Int { program.instructions.count }

  /// Floating-point operations of one run. How often a solve evaluates its field is known only when it runs: those are
  /// not counted here, see `description`.
  public var flops: Int { program.cost.flops }

  /// Bytes that the instructions of one run read and write, whether they find them in a cache or not.
  public var traffic: Int { program.cost.bytes }

  /// Frees the workspaces that no run is using.
  package func releaseWorkspaces() { workspaces.removeAll() }

  /// Bytes of workspaces that are kept for the next runs.
  package var idleWorkspaceBytes: Int { workspaces.idleBytes }
}
