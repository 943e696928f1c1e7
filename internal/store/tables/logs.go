package tables

import (
	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// Logs holds log groups and streams. Their events are telemetry's.
type Logs struct {
	Groups  *view.Table[lamina.LogGroup]  // key: LogGroup.Key
	Streams *view.Table[lamina.LogStream] // key: LogStream.Key
}

// NewLogs registers the tables with a view that is not open yet.
func NewLogs(v *view.View) Logs {
	return Logs{
		Groups:  view.NewTable[lamina.LogGroup](v, "logs/group/"),
		Streams: view.NewTable[lamina.LogStream](v, "logs/stream/"),
	}
}
