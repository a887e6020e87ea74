/// A closure, traced once for each signature (element types and shapes of its arguments) and compiled to a program.
///
/// ```swift
/// let step = compiled { (x: Tensor<Float>, key: RandomKey) in x + 0.1 * Tensor.normal(shape: x.shape, key: key) }
/// let y = try step(x, key)
/// print(step.program)
/// ```
/// The closure runs once for each signature: what it decides, draws or counts in Swift is then fixed. Tensors that it
/// captures are evaluated when it is traced. Give a `RandomKey` as an argument to get new numbers at each call.
///
/// Called inside of a derivative or of another trace, where its arguments have no numbers of their own, it is the plain
/// closure: derivatives go through.
public func compiled<each Argument: TensorGroup, Result: TensorGroup>(
  _ body: @escaping @Sendable (repeat each Argument) throws -> Result
) -> CompiledFunction<Result, repeat each Argument> {
  CompiledFunction(body: body, flatten: { TensorVisitor.values(of: $0).values }) { result, values in
    var values = values[...]
    return TensorVisitor.replace(result, from: &values)
  }
}

// One overload for each number of results, because Swift does not infer a pack of results from a closure of several
// statements.

/// A closure with two results, traced and compiled; see `compiled` with one result.
public func compiled<each Argument: TensorGroup, R1: TensorGroup, R2: TensorGroup>(
  _ body: @escaping @Sendable (repeat each Argument) throws -> (R1, R2)
) -> CompiledFunction<(R1, R2), repeat each Argument> {
  CompiledFunction(body: body, flatten: { TensorVisitor.values(of: $0.0, $0.1).values }) { result, values in
    TensorVisitor.replace(each: result.0, result.1, from: values)
  }
}

/// A closure with three results, traced and compiled; see `compiled` with one result.
public func compiled<each Argument: TensorGroup, R1: TensorGroup, R2: TensorGroup, R3: TensorGroup>(
  _ body: @escaping @Sendable (repeat each Argument) throws -> (R1, R2, R3)
) -> CompiledFunction<(R1, R2, R3), repeat each Argument> {
  CompiledFunction(body: body, flatten: { TensorVisitor.values(of: $0.0, $0.1, $0.2).values }) {
    result, values in
    TensorVisitor.replace(each: result.0, result.1, result.2, from: values)
  }
}

/// A closure with four results, traced and compiled; see `compiled` with one result.
public func compiled<
  each Argument: TensorGroup, R1: TensorGroup, R2: TensorGroup, R3: TensorGroup, R4: TensorGroup
>(
  _ body: @escaping @Sendable (repeat each Argument) throws -> (R1, R2, R3, R4)
) -> CompiledFunction<(R1, R2, R3, R4), repeat each Argument> {
  CompiledFunction(body: body, flatten: { TensorVisitor.values(of: $0.0, $0.1, $0.2, $0.3).values }) {
    result, values in
    TensorVisitor.replace(each: result.0, result.1, result.2, result.3, from: values)
  }
}

/// What `compiled` returns: call it like the closure.
public struct CompiledFunction<Result, each Argument: TensorGroup>: Sendable {
  private let body: @Sendable (repeat each Argument) throws -> Result
  private let flatten: @Sendable (Result) -> [Value]
  private let rebuild: @Sendable (Result, [Value]) -> Result
  private let traces = TraceList<Result>()

  init(
    body: @escaping @Sendable (repeat each Argument) throws -> Result,
    flatten: @escaping @Sendable (Result) -> [Value],
    rebuild: @escaping @Sendable (Result, [Value]) -> Result
  ) {
    self.body = body
    self.flatten = flatten
    self.rebuild = rebuild
  }

  /// Throws what a solve inside throws, and what the closure throws while it is traced.
  public func callAsFunction(_ arguments: repeat each Argument) throws -> Result {
    let (values, signature) = flat(repeat each arguments)
    if values.contains(where: \.isTraced) { return try body(repeat each arguments) }
    let trace = try traces.find(signature) ?? trace(repeat each arguments, signature: signature)
    let storages = try trace.program.run(try evaluate(values) + trace.captures)
    let results = zip(storages, trace.program.outputTypes).map { Graph.constant($0, $1) }
    return rebuild(trace.result, results)
  }

  /// The program of the last signature that the function was called with; nil before the first call.
  public var program: Program? { traces.last?.program }

  /// The program for arguments like these; compiles it where there is none yet.
  public func program(for arguments: repeat each Argument) throws -> Program {
    let (_, signature) = flat(repeat each arguments)
    return try (traces.find(signature) ?? trace(repeat each arguments, signature: signature)).program
  }

  /// Where a call with these arguments spends its time, averaged over `runs` calls after one that is not counted. Traces
  /// and compiles as a call does; tracing, compiling and the copies of results are no part of it. Throws what a call throws.
  public func profile(_ arguments: repeat each Argument, runs: Int = 10) throws -> Profile {
    let (values, signature) = flat(repeat each arguments)
    require(
      !values.contains(where: \.isTraced),
      "CompiledFunction.profile: an argument has no numbers: it is a symbol of a trace or under a derivative")
    let trace = try traces.find(signature) ?? trace(repeat each arguments, signature: signature)
    return try trace.program.profile(try evaluate(values) + trace.captures, runs: runs)
  }

  /// How many signatures were traced.
  public var signatureCount: Int { traces.count }

  private func flat(_ arguments: repeat each Argument) -> (values: [Value], signature: Signature) {
    let (values, structure) = TensorVisitor.values(of: repeat each arguments)
    return (values, Signature(types: values.map(\.type), structure: structure))
  }

  private func trace(_ arguments: repeat each Argument, signature: Signature) throws -> Trace<Result> {
    let parameters = signature.types.enumerated().map { Graph.input("argument \($0)", $1) }
    var symbols = parameters[...]
    let result = try body(repeat TensorVisitor.replace(each arguments, from: &symbols))
    let outputs = flatten(result)
    // What does not depend on the arguments is computed now, once, and enters as data.
    let (closed, captures) = hoist(outputs: outputs, parameters: parameters)
    let program = try Program.compile(inputs: closed.parameters, outputs: closed.outputs)
    let trace = Trace(
      signature: signature, program: program, captures: try evaluate(captures), result: result)
    traces.append(trace)
    return trace
  }
}

/// What a trace is made for: the types of all tensors, and how the arguments hold them.
private struct Signature: Equatable {
  var types: [TensorType]
  var structure: [Int]
}

/// What one signature of a compiled function became.
///
/// `@unchecked Sendable`: everything is constant after `init`; `result` is made of tensors (its parts are `TensorGroup`s,
/// hence Sendable), which a tuple cannot say of itself.
private final class Trace<Result>: @unchecked Sendable {
  let signature: Signature
  let program: Program
  let captures: [Storage]
  /// As the closure returned it, on symbols: the structure that results are filled into.
  let result: Result

  init(signature: Signature, program: Program, captures: [Storage], result: Result) {
    self.signature = signature
    self.program = program
    self.captures = captures
    self.result = result
  }
}

/// The traces of one compiled function, latest use last.
private final class TraceList<Result>: Sendable {
  private let traces = Guarded<[Trace<Result>]>([])

  var last: Trace<Result>? { traces.withLock { $0.last } }
  var count: Int { traces.withLock { $0.count } }

  func find(_ signature: Signature) -> Trace<Result>? {
    traces.withLock { traces in
      guard let index = traces.lastIndex(where: { $0.signature == signature }) else { return nil }
      if index != traces.count - 1 { traces.append(traces.remove(at: index)) }
      return traces.last
    }
  }

  func append(_ trace: Trace<Result>) {
    traces.withLock { traces in
      // Two tasks may have traced the same signature at once; either program gives the same results.
      if !traces.contains(where: { $0.signature == trace.signature }) { traces.append(trace) }
    }
  }
}
