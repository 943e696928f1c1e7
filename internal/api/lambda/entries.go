package lambda

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
)

// entry is one item of a list of configurations, with what it is sorted by.
type entry struct {
	key    string
	config model.FunctionConfiguration
}

// entries lists $LATEST, the numbers ascending and $LATEST.PUBLISHED at the end:
// Terraform takes the last one for the newest.
func (r rows) entries(f lamina.Function) []entry {
	all := []entry{{f.Key() + "/0", listed(latestAnswer(f, true, r.latest(f)))}}
	for row := range r.versions.Scan(f.Key() + "/") {
		v := row.Value
		if v.Qualifier == lamina.Latest || v.Deleting && !f.Config.Managed() {
			continue
		}
		order := fmt.Sprintf("/1%020s", v.Qualifier)
		if v.Qualifier == lamina.LatestPublished {
			order = "/2"
		}
		all = append(all, entry{f.Key() + order, listed(versionAnswer(v, standing{}))})
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return all
}

// entryPage is one answer's worth of entries, never a nil list.
func entryPage(all []entry, marker *string, most *int32) ([]model.FunctionConfiguration, *string, error) {
	items, next, err := page(all, func(e entry) string { return e.key }, marker, most)
	configs := make([]model.FunctionConfiguration, 0, len(items))
	for _, e := range items {
		configs = append(configs, e.config)
	}
	return configs, next, err
}

// codeLocation is where the package can be downloaded.
func (s *Service) codeLocation(base64SHA string) *model.FunctionCodeLocation {
	out := &model.FunctionCodeLocation{RepositoryType: new("S3")}
	raw, err := base64.StdEncoding.DecodeString(base64SHA)
	if err == nil && s.CodeURL != nil {
		out.Location = new(s.CodeURL(hex.EncodeToString(raw)))
	}
	return out
}
