package lamina

import (
	"fmt"
	"strconv"
	"time"
)

// Layer is a layer's name and what outlives its versions.
type Layer struct {
	Scope
	Name        string `json:"name"`
	LastVersion int64  `json:"lastVersion"` // highest number ever published; never reused
}

// Key is the layer's store key below its table's prefix.
func (l Layer) Key() string { return Key(l.Account, l.Region, l.Name) }

// LayerVersion is one published content of a layer. It never changes, but for
// its policy; deleting it leaves the functions that use it alone.
type LayerVersion struct {
	Scope
	Name          string          `json:"name"`
	Version       int64           `json:"version"` // from 1
	Description   string          `json:"description"`
	License       string          `json:"license,omitempty"`
	Runtimes      []string        `json:"runtimes,omitempty"`      // a hint for those who choose, never enforced, as on AWS
	Architectures []string        `json:"architectures,omitempty"` // likewise
	Created       time.Time       `json:"created"`
	Content       LayerContent    `json:"content"`
	Policy        *ResourcePolicy `json:"policy,omitempty"` // nil: its own account only
}

// LayerContent is a layer's zip.
type LayerContent struct {
	SHA256   string `json:"sha256"`   // hex; the API shows base64
	Size     int64  `json:"size"`     // bytes of the zip
	Unpacked int64  `json:"unpacked"` // bytes of its files
}

// LayerReference is a layer version that a function uses, with all it takes to
// go on when the version is deleted.
type LayerReference struct {
	ARN string `json:"arn"`
	LayerContent
}

// Key is the layer version's store key below its table's prefix.
func (v LayerVersion) Key() string { return LayerVersionKey(v.Scope, v.Name, v.Version) }

// ARN is the layer version's ARN.
func (v LayerVersion) ARN() string {
	return LayerARN(v.Scope, v.Name) + ":" + strconv.FormatInt(v.Version, 10)
}

// LayerARN names a layer without a version.
func LayerARN(s Scope, name string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:layer:%s", s.Region, s.Account, name)
}

// LayerVersionKey is the store key of one version of a layer.
func LayerVersionKey(s Scope, name string, version int64) string {
	return Key(s.Account, s.Region, name, strconv.FormatInt(version, 10))
}
