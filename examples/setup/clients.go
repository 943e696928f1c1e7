// Package setup makes, through the public API, what a function on managed
// instances needs: network, roles, capacity provider and the function itself.
//
// It keeps what it finds under the same name, so that a program may run twice.
package setup

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Clients are AWS's own clients, all pointed at one endpoint.
type Clients struct {
	Lambda *lambda.Client
	IAM    *iam.Client
	Logs   *cloudwatchlogs.Client
	STS    *sts.Client
	EC2    *EC2
}

// New makes clients for the endpoint with the test keys that a server on loopback takes.
func New(endpoint, region string) *Clients {
	cfg := aws.Config{
		Region:       region,
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	return FromConfig(cfg)
}

// FromConfig makes clients from a configuration of the SDK, whose BaseEndpoint must be set.
func FromConfig(cfg aws.Config) *Clients {
	return &Clients{
		Lambda: lambda.NewFromConfig(cfg),
		IAM:    iam.NewFromConfig(cfg),
		Logs:   cloudwatchlogs.NewFromConfig(cfg),
		STS:    sts.NewFromConfig(cfg),
		EC2:    &EC2{Endpoint: *cfg.BaseEndpoint, Region: cfg.Region, Credentials: cfg.Credentials},
	}
}
