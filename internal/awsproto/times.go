package awsproto

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// Timestamp formats of the model.
const (
	formatEpoch = "unixTimestamp"
	formatISO   = "iso8601"
	formatHTTP  = "rfc822"
)

// parseTime reads a timestamp given as text; an empty format takes any.
func parseTime(s, format string) (time.Time, bool) {
	if format == "" || format == formatISO {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.UTC(), true
			}
		}
	}
	if format == "" || format == formatHTTP {
		if t, err := http.ParseTime(s); err == nil {
			return t.UTC(), true
		}
	}
	if format == "" || format == formatEpoch {
		return epoch(s)
	}
	return time.Time{}, false
}

// appendTime writes a timestamp in a format; milliseconds are as fine as AWS gets.
func appendTime(b []byte, t time.Time, format string) []byte {
	t = t.UTC()
	switch format {
	case formatISO:
		return t.AppendFormat(b, "2006-01-02T15:04:05Z")
	case formatMillis:
		return t.AppendFormat(b, "2006-01-02T15:04:05.000Z")
	case formatHTTP:
		return t.AppendFormat(b, http.TimeFormat)
	default:
		return appendFloat(b, math.Round(float64(t.UnixMicro())/1000)/1000)
	}
}

// formatMillis is EC2's way with ISO 8601.
const formatMillis = "iso8601millis"

// appendFloat writes a number the way Java does: a whole one keeps its ".0".
func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	n := len(b)
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	for _, c := range b[n:] {
		if c == '.' {
			return b
		}
	}
	return append(b, '.', '0')
}
