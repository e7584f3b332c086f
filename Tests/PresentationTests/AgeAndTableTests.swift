import Presentation
import Testing

@Suite struct AgeAndTableTests {
  @Test(
    arguments: [
      (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (45, "45s"), (119, "119s"), (120, "2m"),
      (150, "2m30s"),
      (599, "9m59s"), (600, "10m"), (10_799, "179m"), (10_800, "3h"), (11_520, "3h12m"),
      (28_799, "7h59m"), (28_800, "8h"), (172_799, "47h"), (172_800, "2d"), (187_200, "2d4h"),
      (691_199, "7d23h"), (691_200, "8d"), (63_071_999, "729d"), (63_072_000, "2y"),
      (64_800_000, "2y20d"), (252_288_000, "8y"), (400_000_000, "12y"),
    ] as [(Int64, String)])
  func agesAreKubectls(seconds: Int64, expected: String) {
    #expect(ageText(seconds: seconds) == expected)
  }

  @Test func columnsStandSideBySide() {
    var table = TextTable(["NAME", "LAST SYNC", "X"])
    table.rows = [["a", "2026-07-02T10:00:00Z", ""], ["a-long-name", "", "1"]]
    #expect(
      table.lines() == [
        "NAME          LAST SYNC              X", "a             2026-07-02T10:00:00Z",
        "a-long-name                          1",
      ])
    #expect(table.lines(showsHeader: false).count == 2)
  }

  @Test func aTableThatGoesOnKeepsItsWidths() {
    var widths: [Int] = []
    var table = TextTable(["NAME", "X"])
    table.rows = [["a-long-name", "1"]]
    _ = table.lines(widths: &widths)
    table.rows = [["b", "2"]]
    #expect(table.lines(showsHeader: false, widths: &widths) == ["b             2"])
  }

  @Test func noValueCommandsTheTerminal() {
    var table = TextTable(["A"])
    table.rows = [["x\u{1b}[2Jy\nz"]]
    #expect(table.lines(showsHeader: false) == ["x [2Jy z"])
  }
}
