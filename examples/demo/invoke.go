package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/lamina-dev/lamina/examples/setup"
)

// answer is what the handler says of one call.
type answer struct {
	N           int     `json:"n"`
	Request     string  `json:"request"`
	Environment string  `json:"environment"`
	Process     int     `json:"process"`
	Started     float64 `json:"started"`
	Ended       float64 `json:"ended"`
}

// invokeAtOnce invokes the function so many times at the same moment.
func invokeAtOnce(ctx context.Context, c *setup.Clients, count int) ([]answer, time.Duration, error) {
	answers := make([]answer, count)
	errs := make([]error, count)
	var group sync.WaitGroup
	start := time.Now()
	for i := range count {
		group.Go(func() { errs[i] = invoke(ctx, c, i, &answers[i]) })
	}
	group.Wait()
	took := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return nil, took, err
		}
	}
	return answers, took, nil
}

func invoke(ctx context.Context, c *setup.Clients, n int, out *answer, options ...func(*lambda.Options)) error {
	res, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: new(name), Payload: fmt.Appendf(nil, `{"n":%d,"sleep":0.3}`, n)}, options...)
	if err != nil {
		return fmt.Errorf("call %d: %w", n, err)
	}
	if res.FunctionError != nil {
		return fmt.Errorf("call %d: %s: %s", n, *res.FunctionError, res.Payload)
	}
	if err := json.Unmarshal(res.Payload, out); err != nil {
		return fmt.Errorf("call %d: reading %s: %w", n, res.Payload, err)
	}
	if out.N != n {
		return fmt.Errorf("call %d got the answer of call %d", n, out.N)
	}
	return nil
}

func printInstances(all []setup.Instance) {
	fmt.Println("\nmanaged instances")
	w := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', 0)
	for _, i := range all {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\n", i.ID, i.Type, i.Zone, i.Address, i.State, i.Tag("aws:lambda:capacity-provider"))
	}
	w.Flush()
}

func printAnswers(answers []answer, took time.Duration) {
	sort.Slice(answers, func(i, j int) bool { return answers[i].Environment < answers[j].Environment })
	first, last := answers[0].Started, answers[0].Ended
	environments := map[string]int{}
	busy := 0.0
	fmt.Printf("\n%d calls at once\n", len(answers))
	w := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  call\trequest\tenvironment\tprocess")
	for _, a := range answers {
		first, last = min(first, a.Started), max(last, a.Ended)
		busy += a.Ended - a.Started
		environments[a.Environment]++
		fmt.Fprintf(w, "  %d\t%s\t%s\t%d\n", a.N, a.Request, a.Environment, a.Process)
	}
	w.Flush()
	fmt.Printf("%d environments; %.1f s of handler time within %.2f s by the handlers' clocks, %s by ours\n",
		len(environments), busy, last-first, took.Round(time.Millisecond))
}
