package awsproto_test

import (
	"testing"

	"github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/awsmodel/iam"
	"github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/awsmodel/sts"
	"github.com/lamina-dev/lamina/internal/awsproto"
)

// TestPatternsCompile wants RE2 or a function for every pattern of the models.
func TestPatternsCompile(t *testing.T) {
	for _, s := range []*awsproto.Service{lambda.Service, ec2.Service, iam.Service, sts.Service, logs.Service} {
		if bad := awsproto.UncheckedPatterns(s); len(bad) > 0 {
			t.Errorf("%s: no way to check %q", s.Name, bad)
		}
	}
}

func TestLookaroundPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, value string
		want           bool
	}{
		{`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, "live-1", true},
		{`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, "12", false},
		{`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, "a.b", false},
		{`((?!^\d+$)^[0-9a-zA-Z-_]+$)`, "$LATEST", false},
		{`((?!^\d+$)^[0-9a-zA-Z-_]+$)`, "1a", true},
		{`[0-9A-Za-z\.\-_]*(?<!\.)`, "a.b", true},
		{`[0-9A-Za-z\.\-_]*(?<!\.)`, "a.", false},
		{`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`, "a-b", true},
		{`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`, "a--b", false},
		{urlPattern, "f", true},
		{urlPattern, "arn:aws:lambda:eu-west-1:000000000000:function:f:live", true},
		{urlPattern, "f:12", false},
		{urlPattern, "f:$LATEST", false},
		{`\u002F[\u0021-\u007F]*`, "/a/", true},
		{`\u002F[\u0021-\u007F]*`, "/ü/", false},
	} {
		if got := awsproto.MatchPattern(test.pattern, test.value); got != test.want {
			t.Errorf("%q against %s: %v", test.value, test.pattern, got)
		}
	}
}

const urlPattern = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?`
