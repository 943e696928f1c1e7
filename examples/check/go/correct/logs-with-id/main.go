// Books a seat and logs it.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

var seats = map[string]int{"A": 12, "B": 30, "C": 48}

var log = slog.New(slog.NewJSONHandler(os.Stdout, nil))

type event struct {
	Guest, Row string
	Seat       int
}

func handler(ctx context.Context, e event) (map[string]any, error) {
	lc, _ := lambdacontext.FromContext(ctx)
	// Right: JSON, and each line carries the request's id.
	log.Info("booking", "requestId", lc.AwsRequestID, "row", e.Row, "seat", e.Seat)
	return map[string]any{"guest": e.Guest, "booked": e.Seat <= seats[e.Row]}, nil
}

func main() { lambda.Start(handler) }
