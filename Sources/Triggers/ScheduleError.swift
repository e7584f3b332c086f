package import Platform

/// Why a schedule or a time zone cannot be used; the text goes on from the schedule's own: `"60 * *
/// * *" minute "60": must be between 0 and 59`.
package struct ScheduleError: DroverError, Equatable {
  package let reason: String

  init(_ reason: String) { self.reason = reason }

  package var kind: FailureKind { .usage }
  package var message: String { reason }
  package var hint: String? { nil }
}
