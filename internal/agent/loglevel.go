package agent

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// logLevel is that of a line which the function itself wrote, or of a platform event.
type logLevel int

const (
	logTrace logLevel = iota
	logDebug
	logInfo
	logWarn
	logError
	logFatal
	logAny // of a line that is no JSON object: never left out
)

// logLevels are AWS's names, and those that Python's loggers use for the same.
var logLevels = map[string]logLevel{
	"TRACE": logTrace, "DEBUG": logDebug, "INFO": logInfo, "WARN": logWarn, "WARNING": logWarn,
	"ERROR": logError, "FATAL": logFatal, "CRITICAL": logFatal,
}

// leastOf reads a function's ApplicationLogLevel or SystemLogLevel; INFO is the service's default.
func leastOf(s string) logLevel {
	if l, ok := logLevels[s]; ok {
		return l
	}
	return logInfo
}

// logLevelOf reads a line's level as the service does: a JSON object has that of
// its "level" where "timestamp" is valid, else INFO (AWS: "monitoring-cloudwatchlogs-log-level",
// "Log-level filtering"). "log_level" is where Python's runtime puts it.
func logLevelOf(line []byte) logLevel {
	if line = bytes.TrimSpace(line); len(line) == 0 || line[0] != '{' {
		return logAny
	}
	var in struct {
		Level     any `json:"level"`
		LogLevel  any `json:"log_level"`
		Timestamp any `json:"timestamp"`
	}
	if json.Unmarshal(line, &in) != nil {
		return logAny
	}
	name, ok := in.Level.(string)
	if !ok {
		name, _ = in.LogLevel.(string)
	}
	at, _ := in.Timestamp.(string)
	level, known := logLevels[strings.ToUpper(name)]
	if _, err := time.Parse(time.RFC3339, at); err != nil || !known {
		return logInfo
	}
	return level
}
