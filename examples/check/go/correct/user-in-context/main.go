// Lists the documents that the caller may see.
package main

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

var owners = map[string]string{"salaries": "maria.keller", "roadmap": "jonas.weber", "budget": "paula.ruiz"}

type userKey struct{}

type event struct{ User string }

func visible(ctx context.Context) (names []string) {
	for name, owner := range owners {
		if owner == ctx.Value(userKey{}) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func handler(ctx context.Context, e event) (map[string]any, error) {
	// Right: the user belongs to this request's context.
	ctx = context.WithValue(ctx, userKey{}, e.User)
	time.Sleep(15 * time.Millisecond)
	return map[string]any{"user": ctx.Value(userKey{}), "documents": visible(ctx)}, nil
}

func main() { lambda.Start(handler) }
