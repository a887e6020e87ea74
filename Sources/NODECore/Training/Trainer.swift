/// Trains a model. The whole step (loss, gradient, clipping, update) is one compiled program, made when the
/// first batch of a shape arrives.
///
/// ```swift
/// var trainer = Trainer(Spiral(), optimizer: .adam(learningRate: 1e-3)) {
///   (model: Spiral, observed: Tensor<Float>) in                        // [times, rows, 2]
///   let path = try odeint(from: observed[0], at: times) { t, y in model(t, y) }
///   return abs(path.states - observed).mean()
/// }
/// for batch in batches { let loss = try trainer.step(batch) }
/// ```
/// A trainer is a value: a copy goes its own way from where it was made. The same key, batches and order give
/// the same bits whatever the number of threads, and after `restore` too.
///
/// Only tensors that the batch shows in `visitParameters` are inputs of the program; other properties of a
/// batch are compiled in as they are when a shape is seen first.
public struct Trainer<Model: Module, Batch: Module, Scalar: FloatingScalar> {
  /// Of the model, a batch, and a key that is another one in every step.
  public typealias ObjectiveFunction = (Model, Batch, RandomKey) throws -> Objective<Scalar>

  public let optimizer: any Optimizer
  /// Steps done so far.
  public private(set) var stepCount = 0
  /// What the model is, in words: checkpoints hold it. The type's name unless set.
  public var architecture: String

  private let template: Model
  private let layout: ParameterLayout
  private let objective: ObjectiveFunction
  private let maximumGradientNorm: Double?
  private var key: SIMD2<UInt32>
  private var memory: TrainingMemory<Scalar>
  // Programs depend on the shapes of batches alone, so copies of a trainer may share neither of them: each
  // program has memory for its results. `lastStep` is the one that ran last.
  private var steps: [TrainingProgram<Scalar>] = []
  private var evaluations: [TrainingProgram<Scalar>] = []
  private var lastStep: TrainingProgram<Scalar>?

  /// A trainer whose loss is a function of the model and a batch.
  /// - Parameters:
  ///   - maximumGradientNorm: gradients are scaled down to this Euclidean norm, which is positive and finite; nil: they are
  ///     taken as they are.
  ///   - loss: the scalar to minimise; a mean over the batch, by custom.
  public init(
    _ model: Model, optimizer: some Optimizer, maximumGradientNorm: Double? = nil,
    loss: @escaping (Model, Batch) throws -> Tensor<Scalar>
  ) {
    self.init(model, optimizer: optimizer, maximumGradientNorm: maximumGradientNorm) { model, batch, _ in
      Objective(loss: try loss(model, batch))
    }
  }

  /// A trainer whose objective also has metrics, and draws random numbers.
  /// - Parameters:
  ///   - maximumGradientNorm: positive and finite, or nil.
  ///   - key: step n hands child n of it to `objective`.
  ///   - objective: the loss and scalars worth watching.
  public init(
    _ model: Model, optimizer: some Optimizer, maximumGradientNorm: Double? = nil,
    key: RandomKey = RandomKey(seed: 0), objective: @escaping ObjectiveFunction
  ) {
    if let maximumGradientNorm {
      requireNorm(maximumGradientNorm, Scalar.self, "Trainer: maximumGradientNorm")
    }
    require(
      Set(optimizer.stateNames).count == optimizer.stateNames.count,
      "Trainer: \(optimizer.name) must give its vectors different names, got \(optimizer.stateNames)")
    self.optimizer = optimizer
    self.objective = objective
    self.maximumGradientNorm = maximumGradientNorm
    self.key = key.hostWords
    template = model
    architecture = String(describing: Model.self)
    layout = model.parameterLayout
    require(layout.count > 0, "Trainer: \(Model.self) has no parameters; does it have visitParameters?")
    layout.requireDType(Scalar.dtype, "Trainer")
    memory = TrainingMemory(count: layout.count, vectorCount: 1 + optimizer.stateNames.count)
    self.model = model
  }

  /// One step. Throws what a solve in it threw, and `TrainingError` where the loss, the updated parameters or the
  /// optimizer's state would not be finite. Parameters, state and `stepCount` are then unchanged, so that training can go on
  /// with another batch; after a `TrainingError`, `report` is of the step that was not taken, and else nil.
  /// - Returns: the loss before the update.
  @discardableResult
  public mutating func step(_ batch: Batch) throws -> Double {
    let values = batch.parameterValues
    let storages = try NODECore.evaluate(values)
    return try withExtendedLifetime(storages) {
      try step(
        like: batch, types: values.map(\.type), pointers: storages.map { UnsafeRawPointer($0.pointer) })
    }
  }

  /// One step on the batch that was written into a buffer. Allocates nothing once the program is there.
  @discardableResult
  public mutating func step(_ buffer: BatchBuffer<Batch>) throws -> Double {
    try step(like: buffer.example, types: buffer.types, pointers: buffer.addresses)
  }

  /// Where a step on the batch spends its time, averaged over `runs` runs after one that is not counted. Nothing is
  /// updated. Throws what a step throws.
  public mutating func profile(_ batch: Batch, runs: Int = 10) throws -> Profile {
    makeUnique()
    let values = batch.parameterValues
    let storages = try NODECore.evaluate(values)
    let program = try stepProgram(like: batch, types: values.map(\.type))
    memory.set(
      learningRate: optimizer.learningRate.rate(at: stepCount), step: stepCount + 1,
      key: RandomStream.child(stepCount, of: key))
    return try withExtendedLifetime(storages) {
      let profile = try program.profile(
        memory.inputs, batch: storages.map { UnsafeRawPointer($0.pointer) }, updated: memory.outputs,
        runs: runs)
      lastStep = program
      return profile
    }
  }

  /// What the last step computed, or the last run of a profile; nil where that threw what a solve in it threw.
  public var report: StepReport? { lastStep?.report }

  /// Loss and metrics of a batch without a step; `key` as in child number `stepCount`.
  public mutating func evaluate(_ batch: Batch) throws -> StepReport {
    let values = batch.parameterValues
    let storages = try NODECore.evaluate(values)
    return try withExtendedLifetime(storages) {
      try evaluate(
        like: batch, types: values.map(\.type), pointers: storages.map { UnsafeRawPointer($0.pointer) })
    }
  }

  /// Loss and metrics of the batch that was written into a buffer.
  public mutating func evaluate(_ buffer: BatchBuffer<Batch>) throws -> StepReport {
    try evaluate(like: buffer.example, types: buffer.types, pointers: buffer.addresses)
  }

  /// The model with its present parameters. Setting it keeps the optimizer's state; traps where the new one's parameters
  /// have other names, types or shapes.
  public var model: Model {
    get { model(from: 0) }
    set {
      if let difference = layout.difference(of: newValue.parameterLayout) {
        fatalError("Trainer.model: \(difference)")
      }
      makeUnique()
      for (entry, value) in zip(layout.entries, newValue.parameterValues) {
        let scalars = Tensor<Scalar>(value).scalars
        (memory.vector(0) + entry.offset).update(from: scalars, count: scalars.count)
      }
    }
  }

  /// The model with the moving average of its parameters, where the optimizer keeps one (`optimizer.averaged(decay:)`); nil
  /// where it does not. Before the first step it is the model.
  public var averagedModel: Model? {
    guard let index = optimizer.stateNames.firstIndex(of: averageName) else { return nil }
    return stepCount == 0 ? model : model(from: 1 + index)
  }

  /// The model with the numbers of one vector of the memory.
  private func model(from vector: Int) -> Model {
    let source = UnsafeRawPointer(memory.vector(vector)), bytes = MemoryLayout<Scalar>.stride
    return template.replacingParameters(
      layout.entries.map { entry in
        let type = TensorType(Scalar.dtype, entry.shape)
        let start = source + entry.offset * bytes
        return Graph.constant(
          Storage(byteCount: type.byteCount) { $0.copyMemory(from: start, byteCount: type.byteCount) }, type)
      })
  }

  /// The compiled step for batches like this, to print or to ask for its memory; compiles it if need be.
  public mutating func stepProgram(for batch: Batch) throws -> Program {
    try stepProgram(like: batch, types: batch.parameterValues.map(\.type)).program
  }
}

// MARK: - Checkpoints

extension Trainer {
  /// Everything that is needed to go on from here bit for bit.
  /// - Parameter notes: what the caller wants to find again.
  public func checkpoint(notes: [String: String] = [:]) -> Checkpoint {
    func item(_ name: String, _ shape: Shape, _ source: UnsafeMutablePointer<Scalar>) -> NamedArray {
      let bytes = UnsafeRawBufferPointer(start: source, count: shape.count * MemoryLayout<Scalar>.stride)
      return NamedArray(name, StoredArray(dtype: Scalar.dtype, shape: shape, bytes: Array(bytes)))
    }
    return Checkpoint(
      architecture: architecture, optimizer: optimizer.name, step: stepCount, key: key,
      parameters: layout.entries.map { item($0.name, $0.shape, memory.vector(0) + $0.offset) },
      state: optimizer.stateNames.enumerated().map { item($1, [layout.count], memory.vector(1 + $0)) },
      notes: notes)
  }

  /// Goes on from a checkpoint. Throws `CheckpointError.mismatch` and changes nothing where it belongs to
  /// another model.
  public mutating func restore(_ checkpoint: Checkpoint) throws {
    try checkpoint.check(
      architecture: architecture, layout: layout, optimizer: optimizer.name, stateNames: optimizer.stateNames)
    makeUnique()
    func copy(_ array: StoredArray, to target: UnsafeMutablePointer<Scalar>) {
      array.bytes.withUnsafeBytes {
        UnsafeMutableRawPointer(target).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
      }
    }
    for (entry, item) in zip(layout.entries, checkpoint.parameters) where !item.array.bytes.isEmpty {
      copy(item.array, to: memory.vector(0) + entry.offset)
    }
    for (i, item) in checkpoint.state.enumerated() { copy(item.array, to: memory.vector(1 + i)) }
    stepCount = checkpoint.step
    key = checkpoint.key
  }
}

// MARK: - Programs

extension Trainer {
  private mutating func makeUnique() {
    guard !isKnownUniquelyReferenced(&memory) else { return }
    memory = memory.copy()
    steps = []
    evaluations = []
    lastStep = nil
  }

  private mutating func step(
    like batch: Batch, types: [TensorType], pointers: [UnsafeRawPointer]
  ) throws -> Double {
    makeUnique()
    let program = try stepProgram(like: batch, types: types)
    memory.set(
      learningRate: optimizer.learningRate.rate(at: stepCount), step: stepCount + 1,
      key: RandomStream.child(stepCount, of: key))
    lastStep = nil
    try program.run(memory.inputs, batch: pointers, updated: memory.outputs)
    lastStep = program
    let loss = program.loss, norm = program.gradientNorm
    // What the optimizer keeps counts, too: a second moment that is infinite stops its parameter for good.
    guard loss.isFinite, !norm.isNaN, memory.proposalIsFinite else {
      throw TrainingError(step: stepCount + 1, loss: loss, gradientNorm: norm)
    }
    memory.swap()
    stepCount += 1
    return loss
  }

  private mutating func stepProgram(like batch: Batch, types: [TensorType]) throws -> TrainingProgram<Scalar>
  {
    for program in steps where program.batchTypes == types { return program }
    let batchInputs = types.enumerated().map { Graph.input("batch\($0)", $1) }
    let program = try TrainingProgram(
      step: try traceStep(batch.replacingParameters(batchInputs)), batch: batchInputs, isStep: true)
    steps.append(program)
    return program
  }

  private func traceStep(_ batch: Batch) throws -> TracedStep<Scalar> {
    let vector = TensorType(Scalar.dtype, [layout.count]), scalar = TensorType(Scalar.dtype, [])
    let parameters = Graph.input("parameters", vector)
    let state = optimizer.stateNames.map { Graph.input($0, vector) }
    let rate = Graph.input("learningRate", scalar), step = Graph.input("step", scalar)
    let key = Graph.input("key", TensorType(.int32, [2]))

    // Differentiated with respect to each parameter, not to the vector: the gradient is then one
    // concatenation instead of a sum of padded pieces.
    let symbols = layout.unflatten(parameters).map(\.identity)
    let objective = try self.objective(
      template.replacingParameters(symbols), batch, RandomKey(words: Tensor(key)))
    let loss = objective.loss.value
    let cotangents = pullback(of: [loss], cotangents: [Graph.splat(1, like: loss)], to: symbols)
    let gradient = Tensor<Scalar>(
      layout.flatten(
        zip(symbols, cotangents).map { symbol, cotangent in cotangent ?? Graph.splat(0, like: symbol) }))
    let norm: Tensor<Scalar>, limited: Tensor<Scalar>
    if let maximumGradientNorm {
      let global = GlobalNorm([gradient])
      (norm, limited) = (global.value, global.clipped(gradient, maximum: maximumGradientNorm))
    } else {
      // Infinite is as good as very large here, and needs one pass less.
      (norm, limited) = (sqrt(square(gradient).sum()), gradient)
    }
    let updated = optimizer.update(
      parameters: Tensor(parameters), gradient: limited, state: state.map(Tensor.init),
      learningRate: Tensor(rate),
      step: Tensor(step))
    require(
      updated.parameters.shape == vector.shape && updated.state.map(\.shape) == state.map(\.shape),
      "Trainer: \(optimizer.name) must return parameters \(vector.shape) and state \(state.map(\.shape)), got "
        + "\(updated.parameters.shape) and \(updated.state.map(\.shape))")
    let next = successors(of: updated.parameters.value, symbols, objective.successors)
    var nextState = updated.state.map(\.value)
    if let averaging = optimizer as? any ParameterAveraging, next != updated.parameters.value {
      // The optimizer averaged what it proposed, not what is kept.
      let last = state.count - 1
      nextState[last] =
        averaging.average(Tensor<Scalar>(state[last]), following: Tensor(next), step: Tensor(step)).value
    }
    return TracedStep(
      inputs: [parameters] + state + [rate, step, key], updated: [next] + nextState, objective: objective,
      gradientNorm: norm.value)
  }

  /// The optimizer's parameters, but for those that the objective replaced and those that are not trained.
  private func successors(of updated: Value, _ symbols: [Value], _ replaced: [Value]?) -> Value {
    let kept = replaced ?? symbols
    guard kept != symbols || layout.entries.contains(where: { !$0.isTrained }) else { return updated }
    require(
      kept.map(\.type) == symbols.map(\.type),
      "Trainer: the objective's model has other parameters than the trainer's \(architecture)")
    let pieces = layout.unflatten(updated)
    return layout.flatten(
      symbols.indices.map { i in
        kept[i] == symbols[i] && layout.entries[i].isTrained ? pieces[i] : kept[i].stoppingGradient
      })
  }

  private mutating func evaluate(
    like batch: Batch, types: [TensorType], pointers: [UnsafeRawPointer]
  ) throws -> StepReport {
    makeUnique()
    let program = try evaluationProgram(like: batch, types: types)
    memory.set(learningRate: 0, step: 0, key: RandomStream.child(stepCount, of: key))
    try program.run([memory.parameterAddress, memory.keyAddress], batch: pointers, updated: [])
    return program.report
  }

  private mutating func evaluationProgram(like batch: Batch, types: [TensorType]) throws -> TrainingProgram<
    Scalar
  > {
    for program in evaluations where program.batchTypes == types { return program }
    let batchInputs = types.enumerated().map { Graph.input("batch\($0)", $1) }
    let parameters = Graph.input("parameters", TensorType(Scalar.dtype, [layout.count]))
    let key = Graph.input("key", TensorType(.int32, [2]))
    let objective = try self.objective(
      template.replacingParameters(layout.unflatten(parameters)), batch.replacingParameters(batchInputs),
      RandomKey(words: Tensor(key)))
    let traced = TracedStep(inputs: [parameters, key], updated: [], objective: objective, gradientNorm: nil)
    let program = try TrainingProgram(step: traced, batch: batchInputs, isStep: false)
    evaluations.append(program)
    return program
  }
}
