package iam

import (
	"strings"
	"testing"

	"github.com/lamina-dev/lamina"
)

func statement(s string) string { return `{"Version":"2012-10-17","Statement":[` + s + `]}` }

func TestParsePermissions(t *testing.T) {
	for name, c := range map[string]struct{ document, want string }{
		"one statement":      {`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}`, ""},
		"lists":              {statement(`{"Effect":"Deny","NotAction":["iam:*","sts:*"],"NotResource":["arn:aws:s3:::b/*"]}`), ""},
		"condition":          {statement(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:x":["a*",1,true]}}}`), ""},
		"no JSON":            {`{`, "Syntax errors in policy."},
		"more behind":        {statement(`{"Effect":"Allow","Action":"*","Resource":"*"}`) + `{}`, "Syntax errors in policy."},
		"unknown member":     {`{"Version":"2012-10-17","Statements":[]}`, "Syntax errors in policy."},
		"unknown below":      {statement(`{"Effect":"Allow","Actions":"*","Resource":"*"}`), "Syntax errors in policy."},
		"no statement":       {`{"Version":"2012-10-17"}`, "Syntax errors in policy."},
		"empty list":         {statement(``), "Syntax errors in policy."},
		"no effect":          {statement(`{"Action":"*","Resource":"*"}`), "Syntax errors in policy."},
		"both actions":       {statement(`{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}`), "Syntax errors in policy."},
		"unknown operator":   {statement(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqual":{"a":"b"}}}`), "Syntax errors in policy."},
		"number as action":   {statement(`{"Effect":"Allow","Action":{},"Resource":"*"}`), "Syntax errors in policy."},
		"unknown version":    {`{"Version":"2013-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, "Syntax errors in policy."},
		"old version":        {`{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, "Policy document must be version 2012-10-17 or greater."},
		"no version":         {`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, "Policy document must be version 2012-10-17 or greater."},
		"no action":          {statement(`{"Effect":"Allow","Resource":"*"}`), "Policy statement must contain actions."},
		"no resource":        {statement(`{"Effect":"Allow","Action":"*"}`), "Policy statement must contain resources."},
		"principal":          {statement(`{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}`), "Policy document should not specify a principal."},
		"action, no vendor":  {statement(`{"Effect":"Allow","Action":"GetObject","Resource":"*"}`), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		"action, bad vendor": {statement(`{"Effect":"Allow","Action":"a b:c","Resource":"*"}`), "Vendor a b is not valid"},
		"resource, no ARN":   {statement(`{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}`), `Resource bucket must be in ARN format or "*".`},
		"resource, short":    {statement(`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3"}`), "The policy failed legacy parsing"},
		"Sid twice":          {statement(`{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}`), "Statement IDs (SID) in a single policy must be unique."},
	} {
		_, err := ParsePermissions(c.document)
		wantMalformed(t, name, err, c.want)
	}
}

func TestParseTrust(t *testing.T) {
	for name, c := range map[string]struct{ document, want string }{
		"service":       {statement(`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}`), ""},
		"old, account":  {`{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["123456789012","arn:aws:iam::123456789012:role/a/b"]},"Action":["sts:AssumeRole","sts:TagSession"]}]}`, ""},
		"no version":    {`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}`, ""},
		"no JSON":       {`nonsense`, "This policy contains invalid Json"},
		"no principal":  {statement(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), "Missing required field Principal"},
		"resource":      {statement(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`), "Has prohibited field Resource"},
		"other actions": {statement(`{"Effect":"Allow","Principal":"*","Action":"s3:Get"}`), "AssumeRole policy may only specify STS AssumeRole actions."},
		"bad account":   {statement(`{"Effect":"Allow","Principal":{"AWS":"me"},"Action":"sts:AssumeRole"}`), `Invalid principal in policy: "AWS":"me"`},
		"bad service":   {statement(`{"Effect":"Allow","Principal":{"Service":"lambda"},"Action":"sts:AssumeRole"}`), `Invalid principal in policy: "SERVICE":"lambda"`},
		"bare name":     {statement(`{"Effect":"Allow","Principal":"me","Action":"sts:AssumeRole"}`), "Syntax errors in policy."},
	} {
		_, err := ParseTrust(c.document)
		wantMalformed(t, name, err, c.want)
	}
}

func wantMalformed(t *testing.T, name string, err error, text string) {
	t.Helper()
	switch {
	case text == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case text != "" && (lamina.ErrorCode(err) != "MalformedPolicyDocument" || !strings.HasSuffix(err.Error(), ": "+text)):
		t.Errorf("%s: got %v, want %q", name, err, text)
	}
}

func permissions(t *testing.T, text string) []Document {
	t.Helper()
	d, err := ParsePermissions(statement(text))
	if err != nil {
		t.Fatal(err)
	}
	return []Document{d}
}

func TestEvaluate(t *testing.T) {
	const bucket = "arn:aws:s3:::logs/2026/a.txt"
	for name, c := range map[string]struct {
		policy, action, resource string
		want                     Decision
	}{
		"nothing matches":     {`{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}`, "s3:GetObject", bucket, ImplicitDeny},
		"any case":            {`{"Effect":"Allow","Action":"S3:getobject","Resource":"*"}`, "s3:GetObject", bucket, Allow},
		"wildcards":           {`{"Effect":"Allow","Action":"s3:Get?bject","Resource":"arn:aws:s3:::logs/*/a.*"}`, "s3:GetObject", bucket, Allow},
		"resource has case":   {`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::LOGS/*"}`, "s3:GetObject", bucket, ImplicitDeny},
		"denial wins":         {`{"Effect":"Deny","Action":"s3:*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}`, "s3:GetObject", bucket, ExplicitDeny},
		"denial after":        {`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::logs/*"}`, "s3:GetObject", bucket, ExplicitDeny},
		"denial elsewhere":    {`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::other/*"}`, "s3:GetObject", bucket, Allow},
		"not these actions":   {`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`, "s3:GetObject", bucket, Allow},
		"those actions":       {`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`, "iam:PassRole", "*", ImplicitDeny},
		"not these resources": {`{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::logs/*"}`, "s3:GetObject", bucket, ImplicitDeny},
		"variable":            {`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:PrincipalTag/Home}/*"}`, "s3:GetObject", bucket, Allow},
		"variable, literal":   {`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:star}/*"}`, "s3:GetObject", bucket, ImplicitDeny},
		"variable, missing":   {`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:none}*"}`, "s3:GetObject", bucket, ImplicitDeny},
		"variable, default":   {`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:none, 'logs'}/*"}`, "s3:GetObject", bucket, Allow},
		"escaped star":        {`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${*}"}`, "s3:GetObject", bucket, ImplicitDeny},
		"star itself":         {`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${*}"}`, "s3:GetObject", "arn:aws:s3:::*", Allow},
		"unclosed variable":   {`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${logs"}`, "s3:GetObject", bucket, ImplicitDeny},
	} {
		r := Request{Action: c.action, Resource: c.resource, Conditions: map[string][]string{"aws:principaltag/home": {"logs"}, "aws:star": {"*"}}}
		if got := Evaluate(permissions(t, c.policy), r); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestConditions(t *testing.T) {
	have := map[string][]string{
		"aws:SourceIp": {"10.1.2.3"}, "aws:CurrentTime": {"2026-11-24T10:00:00Z"}, "n": {"5"}, "s": {"Blue"}, "b": {"true"},
		"arn": {"arn:aws:lambda:eu-west-1:000000000000:function:f"}, "tags": {"a", "b"}, "none": {},
	}
	for condition, want := range map[string]bool{
		`"StringEquals":{"S":"Blue"}`:                                                  true,
		`"StringEquals":{"s":"blue"}`:                                                  false,
		`"StringEquals":{"s":["red","Blue"]}`:                                          true,
		`"StringEquals":{"s":"B*"}`:                                                    false,
		`"StringEqualsIgnoreCase":{"s":"bLUE"}`:                                        true,
		`"StringNotEquals":{"s":["red","Blue"]}`:                                       false,
		`"StringNotEquals":{"missing":"x"}`:                                            true,
		`"StringEquals":{"missing":"x"}`:                                               false,
		`"StringEqualsIfExists":{"missing":"x"}`:                                       true,
		`"StringLike":{"s":"B?u*"}`:                                                    true,
		`"StringNotLike":{"s":"B*"}`:                                                   false,
		`"NumericLessThan":{"n":6}`:                                                    true,
		`"NumericLessThanEquals":{"n":"5"}`:                                            true,
		`"NumericGreaterThan":{"n":5}`:                                                 false,
		`"NumericEquals":{"s":5}`:                                                      false,
		`"DateGreaterThan":{"aws:CurrentTime":"2026-11-24"}`:                           true,
		`"DateLessThan":{"aws:CurrentTime":"2026-11-24T09:00:00Z"}`:                    false,
		`"DateLessThan":{"aws:CurrentTime":"soon"}`:                                    false,
		`"Bool":{"b":true}`:                                                            true,
		`"Bool":{"b":"false"}`:                                                         false,
		`"IpAddress":{"aws:SourceIp":["192.168.0.0/16","10.0.0.0/8"]}`:                 true,
		`"NotIpAddress":{"aws:SourceIp":"10.1.2.3"}`:                                   false,
		`"ArnLike":{"arn":"arn:aws:lambda:*:000000000000:function:*"}`:                 true,
		`"ArnLike":{"arn":"arn:aws:*:function:f"}`:                                     false,
		`"ArnNotEquals":{"arn":"arn:aws:lambda:*:*:function:f"}`:                       false,
		`"Null":{"missing":"true"}`:                                                    true,
		`"Null":{"s":"true"}`:                                                          false,
		`"Null":{"s":"false"}`:                                                         true,
		`"ForAllValues:StringEquals":{"tags":["a","b","c"]}`:                           true,
		`"ForAllValues:StringEquals":{"tags":["a"]}`:                                   false,
		`"ForAllValues:StringEquals":{"missing":"a"}`:                                  true,
		`"ForAnyValue:StringEquals":{"tags":["b"]}`:                                    true,
		`"ForAnyValue:StringEquals":{"missing":"a"}`:                                   false,
		`"ForAnyValue:StringNotEquals":{"tags":["a"]}`:                                 true,
		`"ForAllValues:StringNotEquals":{"tags":["a"]}`:                                false,
		`"StringEquals":{"s":"Blue"},"Bool":{"b":"false"}`:                             false,
		`"StringEquals":{"s":"Blue","n":"6"}`:                                          false,
		`"ForAnyValue:StringEquals":{"none":"a"}`:                                      false,
		`"StringEquals":{"s":"${aws:absent}"}`:                                         false,
		`"ArnLike":{"arn":"arn:aws:lambda:eu-west-1:000000000000:function:${x, 'f'}"}`: true,
	} {
		docs := permissions(t, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{`+condition+`}}`)
		if got := Allowed(docs, "a:b", "*", have); got != want {
			t.Errorf("%s: got %t", condition, got)
		}
	}
}

func TestCanAssume(t *testing.T) {
	for name, c := range map[string]struct {
		trust string
		want  bool
	}{
		"Lambda":         {statement(`{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com","lambda.amazonaws.com"]},"Action":"sts:AssumeRole"}`), true},
		"EC2":            {statement(`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`), false},
		"own account":    {statement(`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}}`), true},
		"other account":  {statement(`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"210987654321"}}}`), false},
		"denied":         {statement(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:*"}`), false},
		"everybody":      {statement(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}`), true},
		"other action":   {statement(`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:TagSession"}`), false},
		"all but Lambda": {statement(`{"Effect":"Allow","NotPrincipal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}`), false},
	} {
		role := lamina.Role{Account: "123456789012", Name: "r", TrustPolicy: c.trust}
		if got := canAssume(role, LambdaPrincipal); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestOperatorRoleMayLaunch(t *testing.T) {
	operator, _ := FindManaged("arn:aws:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator")
	managed, err := ParsePermissions(operator.Document())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		policies, boundary []Document
		missing            string
	}{
		"AWS's policy":     {[]Document{managed}, nil, ""},
		"three actions":    {permissions(t, `{"Effect":"Allow","Action":["ec2:RunInstances","ec2:TerminateInstances","ec2:CreateNetworkInterface"],"Resource":"*"}`), nil, ""},
		"one region":       {permissions(t, `{"Effect":"Allow","Action":"ec2:*","Resource":["arn:aws:ec2:eu-west-1:*:*/*","arn:aws:ec2:eu-west-1::image/*"]}`), nil, ""},
		"nothing":          {nil, nil, "ec2:RunInstances on instance"},
		"no interfaces":    {permissions(t, `{"Effect":"Allow","Action":"ec2:RunInstances","Resource":"*"}`), nil, "ec2:CreateNetworkInterface on subnet"},
		"denied":           {append(permissions(t, `{"Effect":"Deny","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:subnet/*"}`), managed), nil, "ec2:RunInstances on subnet"},
		"boundary":         {[]Document{managed}, permissions(t, `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`), "ec2:RunInstances on instance"},
		"boundary is gone": {[]Document{managed}, []Document{}, "ec2:RunInstances on instance"},
	} {
		ok, missing := operatorRoleMayLaunch(lamina.Role{Account: "123456789012"}, c.policies, c.boundary)
		if ok != (c.missing == "") || missing != c.missing {
			t.Errorf("%s: got %t, missing %q, want %q", name, ok, missing, c.missing)
		}
	}
}

func TestManagedPoliciesAreSound(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Managed {
		if _, err := ParsePermissions(p.Document()); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if seen[p.ARN()] {
			t.Errorf("%s is there twice", p.ARN())
		}
		seen[p.ARN()] = true
	}
}

func FuzzParse(f *testing.F) {
	f.Add(statement(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${a, 'b'}*","Condition":{"ForAllValues:StringLikeIfExists":{"k":["a?"]}}}`), "s3:Get", "arn:aws:s3:::b")
	f.Add(statement(`{"Effect":"Deny","NotPrincipal":{"AWS":["*"]},"NotAction":["sts:*"]}`), "sts:AssumeRole", "")
	f.Add(`{"Statement":[{},1,"x"]}`, "", "*")
	f.Fuzz(func(t *testing.T, document, action, resource string) {
		d, err := Parse(document)
		if err != nil {
			if lamina.ErrorCode(err) != "MalformedPolicyDocument" {
				t.Errorf("%v", err)
			}
			return
		}
		denied := Document{Version: d.Version, Statement: statements{{Effect: "Deny", Action: texts{"*"}}}}
		if Allowed([]Document{d, denied}, action, resource, nil) {
			t.Error("a denial of everything was overruled")
		}
		_, _ = ParseTrust(document)
		_, _ = ParsePermissions(document)
	})
}
