import Testing

@testable import NODECore

private typealias D = Tensor<Double>
private typealias F = Tensor<Float>

@Suite struct ProfileTests {
  private let net = MLP<Float>(6, 40, 6, activation: .tanh, key: RandomKey(seed: 3))
  private func start(_ lanes: Int) -> F { F.normal(shape: [lanes, 6], key: RandomKey(seed: 5)) }

  private func all(_ entries: [Profile.Entry]) -> [Profile.Entry] {
    entries.flatMap { [$0] + all($0.children) }
  }

  private func flops(_ profile: Profile) -> Int { profile.entries.reduce(0) { $0 + ($1.flops ?? 0) } }

  private func expectSound(_ profile: Profile) {
    for entry in all(profile.entries) {
      #expect(entry.seconds >= 0 && entry.calls >= 0)
      #expect(entry.shareOfPeak.map { $0 > 0 && $0.isFinite } ?? true)
      guard !entry.children.isEmpty else { continue }
      let sum = entry.children.reduce(0) { $0 + $1.seconds }
      #expect(abs(sum - entry.seconds) <= 1e-9 * entry.seconds + 1e-12)
      #expect(entry.flops == entry.children.reduce(0) { $0 + ($1.flops ?? 0) })
    }
    // Sorted; what is left over comes last.
    func expectSorted(_ entries: [Profile.Entry]) {
      let counted = entries.filter { $0.kind != .rest }.map(\.seconds)
      #expect(counted == counted.sorted(by: >))
      #expect(entries.firstIndex { $0.kind == .rest }.map { $0 == entries.count - 1 } ?? true)
      entries.forEach { expectSorted($0.children) }
    }
    expectSorted(profile.entries)
    #expect(profile.seconds > 0 && profile.floatPeak > 1e8 && profile.doublePeak > 1e8)
  }

  /// A program without solves: what it counted is what the program says of itself.
  @Test(arguments: [1, 2]) func operationsAreThoseOfTheProgram(threads: Int) throws {
    let run = compiled { (x: F) in exp(net(x)).sum(axes: 0) + 1 }
    let x = start(300)
    let profile = try withThreads(threads) { try run.profile(x, runs: 3) }
    let program = try run.program(for: x)
    #expect(profile.runs == 3 && profile.threads == threads)
    #expect(flops(profile) == program.flops)
    #expect(Set(profile.entries.map(\.name)) == Set(program.program.origins.map(\.name)))
    expectSound(profile)
  }

  /// Evaluations of the field, their operations, and the parts of the solver, forward and in both gradients.
  static let controllers: [(Controller, Method)] = [
    (.fixed(stepsPerInterval: 12), .rk4), (.automatic, .dopri5), (.perLane, .tsit5),
  ]
  @Test(arguments: controllers, [SensitivityMethod.exact, .backsolve])
  func solvesAreCountedInside(controller: (Controller, Method), sensitivity: SensitivityMethod) throws {
    let x = start(20), isPerLane = controller.0 == .perLane
    @Sendable func solve(_ y: F) throws -> Solution<Float> {
      try odeint(
        from: y, t0: 0, t1: 1, method: controller.1, rtol: 1e-4, atol: 1e-4, controller: controller.0,
        sensitivity: sensitivity
      ) { t, y in net(y) * t }
    }
    let forward = compiled { (y: F) in
      let solution = try solve(y)
      return (solution.final, solution.statisticsTensor)
    }
    let statistics = SolveStatistics(row: Array(try forward(x).1.scalars.prefix(8)))
    let profile = try forward.profile(x, runs: 2)
    let solved = try #require(profile.entries.first { $0.name == "odeint" })
    let field = try #require(solved.children.first { $0.name == "field" })
    #expect(field.kind == .program)
    #expect(field.children.contains { $0.name.hasPrefix("matmul") && $0.shareOfPeak != nil })
    #expect(solved.children.contains { $0.name == "stage sums" && $0.kind == .phase && $0.calls > 0 })
    if !isPerLane {
      let program = try forward.program(for: x)
      #expect(
        flops(profile)
          == program.counters.flops(forward: statistics.evaluations, recomputed: 0, backward: 0))
      // So many evaluations of each block of lanes, and what runs once per solve.
      #expect(field.calls > 1 && (field.calls - 1).isMultiple(of: statistics.evaluations))
    }
    expectSound(profile)

    let backward = compiled { (y: F) in try gradient(at: y) { try solve($0).final.sum() } }
    let both = try backward.profile(x, runs: 2)
    let reversed = try #require(both.entries.first { $0.name == "odeintGradient" })
    let names = Set(reversed.children.map(\.name))
    #expect(
      names.contains(
        sensitivity == .exact
          ? "field, backward" : isPerLane ? "field with its state's product" : "field with its product"))
    #expect(names.contains("stage sums"))
    expectSound(both)
    // Counting changes no result.
    #expect(try backward(x).scalars == (try gradient(at: x) { try solve($0).final.sum() }).scalars)
  }

  /// Blocks of lanes on several threads: the same calls and operations, whoever made them.
  @Test func countsDoNotDependOnThreads() throws {
    let run = compiled { (y: F) in
      try odeint(from: y, t0: 0, t1: 1, method: .rk4, controller: .fixed(step: 0.1)) { t, y in net(y) }.final
    }
    let x = start(3000)
    func counts(_ threads: Int) throws -> [[String]] {
      let profile = try withThreads(threads) { try run.profile(x, runs: 1) }
      expectSound(profile)
      return all(profile.entries).filter { $0.kind != .rest }
        .map { [$0.name, "\($0.calls)", "\($0.flops ?? -1)", "\($0.bytes ?? -1)"] }
        .sorted { $0.joined() < $1.joined() }
    }
    #expect(try counts(1) == counts(2))
  }

  @Test func loopsAreCountedInside() throws {
    let run = compiled { (y: D, rows: D) in
      try scan(from: y, over: rows) { y, row in
        let next = try odeint(from: y, t0: 0, t1: 1, method: .rk4, controller: .fixed(step: 0.5)) { _, y in
          sin(y) * row
        }.final
        return (next, next)
      }.carry
    }
    let profile = try run.profile(D.ones([2]), D.ones([7, 2]), runs: 1)
    let body = try #require(profile.entries.first { $0.name == "scan" }?.children.first { $0.name == "body" })
    let solve = try #require(body.children.first { $0.name == "odeint" })
    #expect(solve.calls == 7)
    // So many evaluations, each of as many blocks of lanes.
    #expect(solve.children.first { $0.name == "field" }?.calls.isMultiple(of: 7 * 8) == true)
    expectSound(profile)
  }

  @Test func tablesAndPicturesShowEveryEntry() throws {
    let run = compiled { (y: F) in
      try odeint(from: y, t0: 0, t1: 1, rtol: 1e-4, atol: 1e-4) { t, y in net(y) }.final
    }
    let profile = try run.profile(start(64))
    let table = "\(profile)"
    for entry in all(profile.entries) { #expect(table.contains(entry.name)) }
    let lines = table.split(separator: "\n")
    #expect(lines[0].hasPrefix("profile: (Float[64, 6]) -> ") || lines[0].hasPrefix("profile: ("))
    #expect(lines.last?.hasSuffix("total") == true && lines.last?.contains("100.0 %") == true)
    #expect(lines.contains { $0.contains("between operations") })

    let svg = profile.svg
    #expect(svg.hasPrefix("<svg xmlns=") && !svg.contains("<script") && svg.hasSuffix("</svg>\n"))
    #expect(svg.contains("<title>odeint [") && svg.contains("<title>field:"))
    // Every element that is opened is closed, in order.
    var open: [Substring] = []
    for piece in svg.split(separator: "<").map({ $0.prefix { $0 != ">" } }) {
      if piece.hasPrefix("/") {
        #expect(open.popLast() == piece.dropFirst())
      } else if !piece.hasSuffix("/") {
        open.append(piece.prefix { $0 != " " })
      }
    }
    #expect(open.isEmpty)
  }

  @Test func failuresUnderAProfileTellTheirStory() throws {
    let run = compiled { (y: D) in
      try odeint(from: y, t0: 0, t1: 2, maxSteps: 300) { t, y in sqrt(1.0 - t) * y }.final
    }
    let plain = #expect(throws: SolveError.self) { try run(D([1.0])) }
    let profiled = #expect(throws: SolveError.self) { try run.profile(D([1.0])) }
    // Not the values: an error that is not a number is not equal to itself.
    #expect(plain != nil && plain?.description == profiled?.description)
  }

  /// The model and everything after it are what they are without.
  @Test func profilingAStepUpdatesNothing() throws {
    func trainer() -> Trainer<MLP<Float>, F, Float> {
      Trainer(net, optimizer: .adam(learningRate: 0.01)) { (net: MLP<Float>, x: F) in square(net(x)).mean() }
    }
    var a = trainer(), b = trainer()
    let x = start(16)
    let profile = try a.profile(x, runs: 2)
    expectSound(profile)
    #expect(all(profile.entries).contains { $0.name.hasPrefix("matmul") })
    for _ in 0..<3 {
      #expect(try a.step(x) == b.step(x))
      _ = try a.profile(x, runs: 1)
    }
    #expect(a.model.parameterVector(Float.self).scalars == b.model.parameterVector(Float.self).scalars)
  }
}
