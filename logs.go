package lamina

import "time"

// LogGroup is a CloudWatch Logs log group. Its events live in telemetry's
// segment files, never here.
type LogGroup struct {
	Scope
	Name               string            `json:"name"`
	Created            time.Time         `json:"created"`
	RetentionDays      int               `json:"retentionDays,omitempty"` // 0: never expire
	Class              string            `json:"class,omitempty"`         // STANDARD, INFREQUENT_ACCESS or DELIVERY
	KMSKeyID           string            `json:"kmsKeyId,omitempty"`
	DeletionProtection bool              `json:"deletionProtection,omitempty"`
	Tags               map[string]string `json:"tags,omitempty"`
}

// ARN is the group's ARN without the ":*" that older operations append.
func (g LogGroup) ARN() string {
	return "arn:aws:logs:" + g.Region + ":" + g.Account + ":log-group:" + g.Name
}

// Key is the group's place in its table: account/region/name.
func (g LogGroup) Key() string { return Key(g.Account, g.Region, g.Name) }

// StreamPrefix is what the keys of all the group's streams begin with. No group
// name holds a colon, so that of no other group does.
func (g LogGroup) StreamPrefix() string { return g.Key() + ":" }

// LogStream is one stream of events inside a log group. When it last received
// an event is telemetry's to know.
type LogStream struct {
	Scope
	Group   string    `json:"group"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// ARN is the stream's ARN.
func (s LogStream) ARN() string {
	return LogGroup{Scope: s.Scope, Name: s.Group}.ARN() + ":log-stream:" + s.Name
}

// Key is the stream's place in its table: account/region/group:name.
func (s LogStream) Key() string {
	return LogGroup{Scope: s.Scope, Name: s.Group}.StreamPrefix() + s.Name
}
