import CKernels
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
