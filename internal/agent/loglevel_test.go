package agent

import "testing"

func TestLogLevelOf(t *testing.T) {
	const at = `"timestamp":"2026-11-27T10:00:00.123Z"`
	for line, want := range map[string]logLevel{
		`{"level":"DEBUG",` + at + `}`:                                 logDebug,
		` {"message":"x","level":"error",` + at + `}`:                  logError,
		`{"level":"WARNING",` + at + `}`:                               logWarn,
		`{"level":"CRITICAL","timestamp":"2026-11-27T10:00:00+01:00"}`: logFatal,
		`{"log_level":"ERROR",` + at + `}`:                             logError,
		`{"level":"ERROR"}`:                                            logInfo, // no time
		`{"level":"ERROR","timestamp":"2026-11-27 10:00:00,123+0000"}`: logInfo,
		`{"level":"LOUD",` + at + `}`:                                  logInfo,
		`{"level":10,` + at + `}`:                                      logInfo,
		`{}`:                                                           logInfo,
		`{"level":"DEBUG",` + at:                                       logAny,
		`plain`:                                                        logAny,
		`["level"]`:                                                    logAny,
		``:                                                             logAny,
	} {
		if got := logLevelOf([]byte(line)); got != want {
			t.Errorf("%s: %d, want %d", line, got, want)
		}
	}
}
