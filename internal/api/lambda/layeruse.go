package lambda

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina"
)

// applyLayers sets the layers a request names; nil names none and changes nothing.
func (r rows) applyLayers(scope lamina.Scope, c *lamina.FunctionConfig, arns []string) error {
	if arns == nil {
		return nil
	}
	if len(arns) > maxLayers {
		return lamina.Errorf(lamina.CodeInvalidParameter, textLayersMany)
	}
	former := map[string]lamina.LayerReference{}
	for _, l := range c.Layers {
		former[l.ARN] = l
	}
	c.Layers = nil
	seen := map[string]string{}
	for _, arn := range arns {
		layer := arn[:max(0, strings.LastIndexByte(arn, ':'))]
		if other, twice := seen[layer]; twice {
			return lamina.Errorf(lamina.CodeInvalidParameter, textLayerTwice, other, arn)
		}
		seen[layer] = arn
		ref, kept := former[arn] // a deleted version stays with the functions that have it
		if !kept {
			v, err := r.usableLayer(scope, arn)
			if err != nil {
				return err
			}
			ref = lamina.LayerReference{ARN: v.ARN(), LayerContent: v.Content}
		}
		c.Layers = append(c.Layers, ref)
	}
	return nil
}

// usableLayer is the layer version that a function of scope may use.
func (r rows) usableLayer(scope lamina.Scope, arn string) (lamina.LayerVersion, error) {
	ref, ok := parseLayerVersion(arn)
	if ok && ref.Region != scope.Region {
		return lamina.LayerVersion{}, lamina.Errorf(lamina.CodeInvalidParameter, textLayerRegion, scope.Region)
	}
	row, found := r.layerVersions.Get(lamina.LayerVersionKey(ref.Scope, ref.name, ref.version))
	if ok && ref.Account != scope.Account && !(found && layerOpen(row.Value, scope.Account)) {
		// Who may not use it does not learn either whether it is there.
		return row.Value, lamina.Errorf(lamina.CodeAccessDenied, textLayerDenied, "arn:aws:iam::"+scope.Account+":root", arn)
	}
	if !found {
		return row.Value, lamina.Errorf(lamina.CodeInvalidParameter, textLayerMissing, arn)
	}
	return row.Value, nil
}

// layerRef is a layer, and perhaps one version of it, as a caller named it.
type layerRef struct {
	lamina.Scope
	name    string
	version int64 // 0: none given
}

// parseLayerVersion reads arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION.
func parseLayerVersion(arn string) (layerRef, bool) {
	i := strings.LastIndexByte(arn, ':')
	if i < 0 {
		return layerRef{}, false
	}
	ref, ok := parseLayerARN(arn[:i])
	n, err := strconv.ParseInt(arn[i+1:], 10, 64)
	ref.version = n
	return ref, ok && err == nil && n > 0
}

func parseLayerARN(arn string) (layerRef, bool) {
	service, region, account, resource, ok := lamina.SplitARN(arn)
	name, isLayer := strings.CutPrefix(resource, "layer:")
	return layerRef{Scope: lamina.Scope{Account: account, Region: region}, name: name}, ok && service == "lambda" && isLayer && !strings.Contains(name, ":")
}

// layerOpen says whether the version's own policy lets an account use it.
func layerOpen(v lamina.LayerVersion, account string) bool {
	if v.Policy == nil {
		return false
	}
	for _, st := range v.Policy.Statements {
		var doc statement
		if json.Unmarshal([]byte(st.Document), &doc) != nil || doc.Condition["StringEquals"]["aws:PrincipalOrgID"] != "" {
			continue // accounts belong to no organization here
		}
		switch p := doc.Principal.(type) {
		case string:
			return true // "*"
		case map[string]any:
			if p["AWS"] == "arn:aws:iam::"+account+":root" {
				return true
			}
		}
	}
	return false
}

// checkUnpacked bounds what a function and its layers take unpacked.
func checkUnpacked(c lamina.FunctionConfig) error {
	total := c.CodeUnpacked
	for _, l := range c.Layers {
		total += l.Unpacked
	}
	if len(c.Layers) > 0 && total > maxUnzipped {
		return lamina.Errorf(lamina.CodeInvalidParameter, textLayersUnpacked, maxUnzipped, total)
	}
	return nil
}
