extension Emitter {
  mutating func emitSolve(_ solve: SolveInstruction, _ instruction: IRInstruction) throws {
    throw CompileError("solves are not lowered yet")
  }
}
