import Platform
import Presentation
import Testing

@Suite struct WaitAndLogTests {
  private let object = sampleSource().document

  @Test(arguments: [
    ("condition=Synchronizing=False", true), ("condition=synchronizing=false", true),
    ("condition=Synchronizing", false), ("condition=Ready=False", false),
    ("jsonpath={.status.lastSyncDuration}=1m40s", true),
    ("jsonpath=.status.lastSyncDuration=1m40s", true),
    ("jsonpath={.status.lastSyncDuration}=2m", false), ("jsonpath={.status.lastSyncTime}", true),
    ("jsonpath={.status.latestImage.name}", false), ("jsonpath={.status.lastManualSync}=", false),
    (#"jsonpath={.status.conditions[?(@.type=="Synchronizing")].status}=False"#, true),
    ("create", true), ("delete", false),
  ])
  func readsAndHolds(text: String, expected: Bool) throws {
    #expect(try WaitCondition(text).holds(for: object) == expected)
  }

  @Test func anObjectThatIsGoneIsDeleted() throws {
    #expect(try WaitCondition("delete").holds(for: nil))
    #expect(try !WaitCondition("create").holds(for: nil))
    #expect(try !WaitCondition("condition=Synchronizing=False").holds(for: nil))
  }

  @Test(arguments: ["", "condition", "condition=", "jsonpath", "jsonpath={.a", "ready", "delete=x"])
  func refusesOthers(text: String) {
    #expect(throws: OutputError.self) { try WaitCondition(text) }
  }

  @Test(arguments: [
    ("", "a\n", "a\n"), ("a\n", "a\n", ""), ("a\n", "a\nb\n", "b\n"), ("a\nb\n", "b\nc\n", "c\n"),
    ("a\nb\nc\n", "c\n", ""), ("a\nb\n", "x\ny\n", "x\ny\n"), ("a\nb", "a\nbc\n", "c\n"),
    ("a\n", "", ""),
  ])
  func whatIsNewInALogIsFound(before: String, now: String, expected: String) {
    #expect(LogTail.addition(to: before, in: now) == expected)
  }

  @Test(
    arguments: [
      ("a\nb\nc\n", 2, "b\nc\n"), ("a\nb\nc", 2, "b\nc"), ("a\n", 5, "a\n"), ("a\nb\n", 0, ""),
      ("", 3, ""), ("a\n\nb\n", 2, "\nb\n"), ("a\nb\n", nil, "a\nb\n"),
    ] as [(String, Int?, String)])
  func lastLinesAreCounted(text: String, count: Int?, expected: String) {
    #expect(LogTail.lastLines(of: text, count: count) == expected)
  }

  @Test(
    arguments: [
      (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB"), (-2048, "-2.0 KiB"),
      (1_048_575, "1.0 MiB"), (.max, "8.0 EiB"),
    ] as [(Int64, String)])
  func sizesAreRounded(bytes: Int64, expected: String) {
    #expect(sizeText(bytes: bytes) == expected)
  }
}
