package lamina

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

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

// Key is the stream's place in its table: account/region/group:name. A name too
// long for a key, or not fit for one, is there by its beginning and its hash.
func (s LogStream) Key() string {
	return LogGroup{Scope: s.Scope, Name: s.Group}.StreamPrefix() + streamKeyPart(s.Name)
}

// Names up to keyName bytes stand in a key as they are; a hashed one is longer
// than that, so that the two never meet.
const (
	keyName      = 256
	keyNameStart = 200
)

func streamKeyPart(name string) string {
	if len(name) <= keyName && !strings.Contains(name, "\x00") {
		return name
	}
	start := strings.ToValidUTF8(strings.ReplaceAll(name, "\x00", ""), "")
	start = strings.ToValidUTF8(start[:min(len(start), keyNameStart)], "")
	return fmt.Sprintf("%s#%0*x", start, keyName-len(start), sha256.Sum256([]byte(name)))
}
