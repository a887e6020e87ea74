import AllocationCounter
import CKernels
import Foundation
import Testing

@testable import NODECore

struct StatusTests {
  @Test(arguments: SolveStatus.allCases) func everyStatusHasHelp(_ status: SolveStatus) {
    #expect(status.help.count > 5)
    #expect(SolveStatus(status.kernel) == status)
    // Statistics hold the kernels' number of the status.
    #expect(SolveStatus(statistic: Double(status.kernel.rawValue)) == status)
  }

  @Test func statisticsThatAreNoStatusAreRefused() {
    #expect(SolveStatus(statistic: 0.5) == nil)
    #expect(SolveStatus(statistic: .nan) == nil)
    #expect(SolveStatus(statistic: 1000) == nil)
  }

  @Test func errorsSayWhereWhyAndWhatToDo() {
    var diagnosis = nk_diagnosis()
    diagnosis.status = .NK_MAX_STEPS
    (diagnosis.lane, diagnosis.component) = (3, -1)
    (diagnosis.t, diagnosis.h) = (1.5, 0.25)
    (diagnosis.steps, diagnosis.rejected, diagnosis.error_ratio) = (100, 40, 7.5)
    let error = SolveError(diagnosis)
    #expect(error.lane == 3 && error.component == nil)
    #expect(
      error.description == """
        the solver used up its step budget; raise maxSteps or loosen the tolerances
        at t = 1.5, step 0.25, lane 3
        after 100 steps, 40 of them rejected; the last rejected one had 7.5 times the tolerated error
        """)
  }

  /// Outside of a solve: the operation, no time, and the index wherever it is.
  @Test(arguments: [1, 5, 700, 40_000]) func badIndicesAreNamed(count: Int) throws {
    for (bad, position) in [(-1, 0), (3, count - 1), (7, count / 2)] {
      var indices = [Int32](repeating: 1, count: count)
      indices[position] = Int32(bad)
      let place = "the index at position \(position) is \(bad), the table has 3 rows"
      let table = Tensor<Double>([[1, 2], [3, 4], [5, 6]]), at = Tensor<Int32>(indices)
      let gathered = #expect(throws: SolveError.self) { try (table.gather(at: at) * 2).evaluated() }
      #expect(gathered?.description == "gather: an index is outside of the table\n\(place)")
      #expect(gathered?.badIndex == .init(position: position, index: bad, entries: 3))
      let scattered = #expect(throws: SolveError.self) {
        try Tensor<Double>.ones([count, 2]).scatterAdded(at: at, entries: 3).evaluated()
      }
      #expect(scattered?.description == "scatterAdd: an index is outside of the table\n\(place)")
    }
  }

  /// Along an axis the position counts with that axis last, over blocks of rows and inside of a loop, too.
  @Test(arguments: [1, 5, 700, 40_000]) func badIndicesAlongAnAxisAreNamed(rows: Int) throws {
    for (bad, position) in [(-1, 0), (3, 2 * rows - 1), (9, rows)] {
      var indices = [Int32](repeating: 1, count: 2 * rows)
      indices[position] = Int32(bad)
      let place = "the index at position \(position) is \(bad), the axis has 3 elements"
      let at = Tensor<Int32>(indices, shape: [rows, 2]), x = Tensor<Double>.iota(3 * rows)
      let table = x.reshaped(to: [rows, 3])
      let taken = #expect(throws: SolveError.self) {
        try (table.takenAlong(axis: 1, at: at) * 2).evaluated()
      }
      #expect(taken?.description == "takeAlong: an index is outside of the axis\n\(place)")
      #expect(taken?.status == .indexOutOfRange)
      #expect(taken?.badIndex == .init(position: position, index: bad, entries: 3, isAlongAxis: true))
      let turned = #expect(throws: SolveError.self) {
        try table.transposed().takenAlong(axis: 0, at: at.transposed()).evaluated()
      }
      #expect(turned?.badIndex == taken?.badIndex)
      let added = #expect(throws: SolveError.self) {
        try table[0..., 0..<2].addedAlong(axis: 1, at: at, entries: 3).evaluated()
      }
      #expect(added?.description == "addAlong: an index is outside of the axis\n\(place)")
    }
    let x = Tensor<Double>([[1, 2], [3, 4]]), at = Tensor<Int32>([[0], [9]])
    let looped = scan(from: x, over: Tensor<Double>.ones([2, 1])) { y, _ in
      let next = y.takenAlong(axis: 1, at: at) + y
      return (next, next)
    }
    let error = #expect(throws: SolveError.self) { try looped.carry.evaluated() }
    #expect(error?.badIndex == .init(position: 1, index: 9, entries: 2, isAlongAxis: true))
  }

  /// A table without rows has no good index, and says so.
  @Test func anEmptyTableIsNamed() throws {
    let error = #expect(throws: SolveError.self) {
      try Tensor<Double>.zeros([0, 2]).gather(at: Tensor<Int32>([0])).evaluated()
    }
    #expect(error?.badIndex == .init(position: 0, index: 0, entries: 0))
  }

  @Test func aSolveInsideOfALoopSaysWhenItFailed() throws {
    let start = Tensor<Double>([1.0])
    let looped = try scan(from: start, over: Tensor<Double>.ones([3, 1])) { y, row in
      let next = try odeint(from: y, t0: 0, t1: 2, maxSteps: 500) { _, y in y * y * row }.final
      return (next, next)
    }
    let error = #expect(throws: SolveError.self) { try looped.carry.evaluated() }
    #expect(error?.operation == "scan")
    #expect(error.map { "\($0)".hasPrefix("scan: ") && "\($0)".contains("\nat t = ") } == true)
  }

  @Test func badIndicesInAFieldAreAnErrorOfTheSolve() {
    let table = Tensor<Double>([1, 2])
    let error = #expect(throws: SolveError.self) {
      try odeint(from: Tensor<Double>([0.0]), t0: 0, t1: 5) { _, y in
        table.gather(at: (y * 2).converted(to: Int32.self)) + y * 0
      }
    }
    #expect(error?.status == .indexOutOfRange && error?.operation == nil)
    #expect(error?.badIndex.map { $0.position == 0 && $0.index >= 2 && $0.entries == 2 } == true)
    let text = error.map { "\($0)" } ?? ""
    #expect(text.hasPrefix("an index is outside of the table\nthe index at position 0 is "))
    #expect(text.contains(", the table has 2 rows\nat t = ") && text.contains("\nin gather of ["))
  }

  @Test func errorsLeaveOutWhatIsUnknown() {
    var diagnosis = nk_diagnosis()
    diagnosis.status = .NK_OUT_OF_MEMORY
    (diagnosis.lane, diagnosis.component) = (-1, -1)
    #expect(SolveError(diagnosis).description == "memory could not be obtained")
    diagnosis.status = .NK_NON_FINITE_FIELD
    (diagnosis.lane, diagnosis.component, diagnosis.h) = (2, 1, 0.5)
    (diagnosis.steps, diagnosis.rejected, diagnosis.error_ratio) = (1, 1, .nan)
    #expect(
      SolveError(diagnosis).description == """
        the vector field returned a value that is not finite
        at t = 0.0, step 0.5, lane 2, component 1
        after 1 steps, 1 of them rejected; the last rejected one had a stage that was not finite
        """)
  }

  @Test func instructionSetsAreNamedAndTheOneInForceIsAvailable() {
    #expect(InstructionSet.available.contains(.reference))
    #expect(InstructionSet.available.contains(.current))
    #expect(Set(InstructionSet.allCases.map(\.description)).count == InstructionSet.allCases.count)
    for missing in InstructionSet.allCases where !InstructionSet.available.contains(missing) {
      #expect(throws: UnavailableInstructionSet.self) { try InstructionSet.force(missing) }
    }
    #expect(UnavailableInstructionSet(requested: .avx512).description.contains("avx512 is not available"))
  }

  @Test func runtimeReportsWhatAnswers() {
    #expect(Runtime.processors >= 1)
    #expect(!Runtime.openBLASCore.isEmpty)
    #expect(Runtime.summary.contains(Runtime.instructionSet.description))
  }

  /// With room for a few stacks only, the pool has fewer threads than asked for, says so, and works.
  @Test(.enabled(if: allocation_count() >= 0, "sanitizers need the address space"))
  func aPoolHasAsManyThreadsAsTheSystemGives() async {
    await #expect(processExitsWith: .success) {
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
      let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")[0]
      limit.rlim_cur = rlim_t(Int(pages)! * 4096 + 400 << 20)
      setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
      let granted = withThreads(Runtime.maximumThreads) { Runtime.grantedThreads }
      require(granted >= 1 && granted < Runtime.maximumThreads, "\(granted) threads")
      let sum = withThreads(Runtime.maximumThreads) { (Tensor<Double>.ones([3000, 3]) * 2).sum().scalar }
      require(sum == 18_000, "\(sum)")
    }
  }

  @Test func threadCountsOfTasksDoNotLeak() async {
    let outside = Runtime.currentThreads
    await withTaskGroup(of: Bool.self) { group in
      for count in 1...8 {
        group.addTask {
          await withThreads(count) {
            await Task.yield()
            return Runtime.currentThreads == count && (Runtime.currentPool()?.threads ?? 1) == count
          }
        }
      }
      for await isRight in group { #expect(isRight) }
    }
    #expect(Runtime.currentThreads == outside)
  }
}
