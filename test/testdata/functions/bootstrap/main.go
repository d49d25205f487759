// The function of the tests, on AWS's own client for Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string `json:"do"`
	Value string `json:"value"`
}

func handle(ctx context.Context, e event) (map[string]string, error) {
	switch e.Do {
	case "fail":
		return nil, errors.New("wrong")
	case "crash":
		os.Exit(3)
	case "sleep":
		time.Sleep(time.Minute)
	case "hog":
		var held [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			held = append(held, b)
		}
	case "layer":
		text, err := os.ReadFile("/opt/text.txt")
		return map[string]string{"got": string(text)}, err
	}
	c, _ := lambdacontext.FromContext(ctx)
	fmt.Println("a line of", c.AwsRequestID)
	return map[string]string{"got": e.Value}, nil
}

func main() { lambda.Start(handle) }
