package lambda

import (
	"context"

	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

type GetEventSourceMappingInput struct {
	UUID string `aws:",uri"`
}

// GetEventSourceMapping returns a mapping.
func (s *Service) GetEventSourceMapping(ctx context.Context, in *GetEventSourceMappingInput) (*EventSourceMappingConfiguration, error) {
	m, err := s.mapping(wire.CallOf(ctx), in.UUID)
	if err != nil {
		return nil, err
	}
	return s.told(m, m.state()), nil
}

type ListEventSourceMappingsInput struct {
	EventSourceArn *string `aws:",query"`
	FunctionName   *string `aws:",query"`
	Marker         *string `aws:",query"`
	MaxItems       *int32  `aws:",query"`
}

type ListEventSourceMappingsOutput struct {
	EventSourceMappings []EventSourceMappingConfiguration
	NextMarker          *string
}

// ListEventSourceMappings returns mappings: all, or those of a queue or of a
// function, version or alias.
func (s *Service) ListEventSourceMappings(ctx context.Context, in *ListEventSourceMappingsInput) (*ListEventSourceMappingsOutput, error) {
	c := wire.CallOf(ctx)
	var n name
	if in.FunctionName != nil {
		var err error
		if n, err = s.nameOf(ctx, *in.FunctionName, nil); err != nil {
			return nil, err
		}
	}
	var all []*Mapping
	for _, m := range s.mappings.All(mappingKey(c.Account(), c.Region, "")) {
		if (in.FunctionName == nil || m.name().plain() == n.plain()) && (in.EventSourceArn == nil || m.Queue == *in.EventSourceArn) {
			all = append(all, m)
		}
	}
	part, next, err := paged(all, in.Marker, in.MaxItems, 100)
	if err != nil {
		return nil, err
	}
	out := &ListEventSourceMappingsOutput{EventSourceMappings: []EventSourceMappingConfiguration{}, NextMarker: next}
	for _, m := range part {
		out.EventSourceMappings = append(out.EventSourceMappings, *s.told(m, m.state()))
	}
	return out, nil
}

type DeleteEventSourceMappingInput struct {
	UUID string `aws:",uri"`
}

// DeleteEventSourceMapping deletes a mapping. Batches that run end as they would
// have.
func (s *Service) DeleteEventSourceMapping(ctx context.Context, in *DeleteEventSourceMappingInput) (*EventSourceMappingConfiguration, error) {
	var m *Mapping
	err := s.store.Catalog().Update(func(tx *store.Tx) (err error) {
		if m, err = s.mapping(wire.CallOf(ctx), in.UUID); err != nil {
			return err
		}
		s.mappings.Delete(tx, m.key())
		return nil
	})
	if err != nil {
		return nil, err
	}
	told := s.told(m, stateDeleting)
	s.stopTrigger(m)
	return told, nil
}

// onMapping returns what an operation on a mapping needs; of gives its UUID and
// the function that it is to have, if another. That function and the one that it
// has are values of lambda:FunctionArn, each in a request of its own.
func onMapping[In any](s *Service, action string, of func(*In) (string, *string)) needs[In] {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		c := wire.CallOf(ctx)
		uuid, function := of(in)
		need := policy.Request{Action: "lambda:" + action, Resource: mappingARN(c.Account(), c.Region, uuid), Account: c.Account()}
		var all []policy.Request
		if m, ok := s.mappings.Get(mappingKey(c.Account(), c.Region, uuid)); ok {
			need.Context = policy.Context{functionARNKey: {m.name().arn()}}
			all = append(all, need)
		}
		if function != nil {
			n, err := s.nameOf(ctx, *function, nil)
			if err != nil {
				return nil, err
			}
			need.Context = policy.Context{functionARNKey: {n.arn()}}
			all = append(all, need)
		}
		if all == nil {
			all = []policy.Request{need}
		}
		return all, nil
	}
}

// functionARNKey is the condition key that holds the function of a mapping.
const functionARNKey = "lambda:FunctionArn"

func (s *Service) needsCreateMapping(ctx context.Context, in *CreateEventSourceMappingInput) ([]policy.Request, error) {
	need := policy.Request{Action: "lambda:CreateEventSourceMapping", Resource: "*"}
	if in.FunctionName != nil {
		n, err := s.nameOf(ctx, *in.FunctionName, nil)
		if err != nil {
			return nil, err
		}
		need.Context = policy.Context{functionARNKey: {n.arn()}}
	}
	return []policy.Request{need}, nil
}
