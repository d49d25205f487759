package sqs

import (
	"encoding/base64"
	"strings"
)

// A page is a part of a list by name: the names from from on, limit of them at
// the most. There is a token for more only if MaxResults was given.
type page struct {
	from  string
	limit int
	paged bool
}

// tokenMark tells the tokens that lists give from what else might be sent as one.
const tokenMark = "from "

func pageOf(maxResults *int32, token *string) (page, error) {
	p := page{limit: 1000}
	if maxResults != nil {
		p.limit, p.paged = int(*maxResults), true
		if p.limit < 1 || p.limit > 1000 {
			return p, invalid(p.limit, "MaxResults", "MaxResults must be an integer between 1 and 1000.")
		}
	}
	if token != nil {
		name, err := base64.StdEncoding.DecodeString(*token)
		from, ok := strings.CutPrefix(string(name), tokenMark)
		if err != nil || !ok {
			return p, invalid(*token, "NextToken", "Invalid or expired token.")
		}
		p.from = from
	}
	return p, nil
}

// next returns the token of the page that begins with the given name.
func (p page) next(name string) *string {
	if !p.paged {
		return nil
	}
	token := base64.StdEncoding.EncodeToString([]byte(tokenMark + name))
	return &token
}
