package setup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// EC2 calls EC2's Query interface, signed by the SDK's signer. The SDK's own
// EC2 client would do the same, at two minutes of compilation.
type EC2 struct {
	Endpoint, Region string
	Credentials      aws.CredentialsProvider
}

// EC2Error is an error answer of EC2.
type EC2Error struct {
	Status        int
	Code, Message string
}

func (e *EC2Error) Error() string {
	return fmt.Sprintf("%s (%d): %s", e.Code, e.Status, e.Message)
}

// Call calls an action with parameters in pairs, and decodes the XML answer into out, which may be nil.
func (c *EC2) Call(ctx context.Context, out any, action string, pairs ...string) error {
	form := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	body, err := c.post(ctx, form.Encode())
	if err != nil {
		return fmt.Errorf("ec2 %s: %w", action, err)
	}
	if out == nil {
		return nil
	}
	if err := xml.Unmarshal(body, out); err != nil {
		return fmt.Errorf("ec2 %s: reading the answer: %w", action, err)
	}
	return nil
}

func (c *EC2) post(ctx context.Context, form string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint+"/", strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	keys, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(form))
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), "ec2", c.Region, time.Now()); err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, ec2Error(res.StatusCode, body)
	}
	return body, nil
}

func ec2Error(status int, body []byte) error {
	var answer struct {
		Errors []struct {
			Code    string
			Message string
		} `xml:"Errors>Error"`
	}
	if err := xml.Unmarshal(body, &answer); err != nil || len(answer.Errors) == 0 {
		return &EC2Error{status, "unreadable", string(body)}
	}
	return &EC2Error{status, answer.Errors[0].Code, answer.Errors[0].Message}
}

// Instance is what DescribeInstances says of one instance.
type Instance struct {
	ID       string `xml:"instanceId"`
	Type     string `xml:"instanceType"`
	Zone     string `xml:"placement>availabilityZone"`
	Subnet   string `xml:"subnetId"`
	Address  string `xml:"privateIpAddress"`
	State    string `xml:"instanceState>name"`
	Operator string `xml:"operator>principal"`
	Tags     []struct {
		Key   string `xml:"key"`
		Value string `xml:"value"`
	} `xml:"tagSet>item"`
}

// Tag gives the value of a tag, or "".
func (i Instance) Tag(key string) string {
	for _, t := range i.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

// Instances lists instances, managed ones too where wanted.
func (c *EC2) Instances(ctx context.Context, managed bool) ([]Instance, error) {
	var answer struct {
		Reservations []struct {
			Instances []Instance `xml:"instancesSet>item"`
		} `xml:"reservationSet>item"`
	}
	var pairs []string
	if managed {
		pairs = []string{"IncludeManagedResources", "true"}
	}
	if err := c.Call(ctx, &answer, "DescribeInstances", pairs...); err != nil {
		return nil, err
	}
	var all []Instance
	for _, r := range answer.Reservations {
		all = append(all, r.Instances...)
	}
	return all, nil
}
