package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// nothing is a task in which nothing is done.
type nothing struct {
	Payload string `json:"payload"`
}

func (nothing) Kind() string { return "nothing" }

type worker struct{ river.WorkerDefaults[nothing] }

func (worker) Work(context.Context, *river.Job[nothing]) error { return nil }

// riverOnPostgres drains tasks with River on a PostgreSQL with its own settings.
func riverOnPostgres(ctx context.Context, o options) (took time.Duration, err error) {
	s, err := newServer(o.dir, syscall.SIGINT)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	pool, err := startPostgres(ctx, s)
	if pool != nil {
		defer pool.Close()
	}
	if err != nil {
		return 0, err
	}
	driver := riverpgxv5.New(pool)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return 0, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return 0, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{})
	client, err := river.NewClient(driver, &river.Config{
		Logger: quiet, Workers: workers, FetchCooldown: river.FetchCooldownMin, FetchPollInterval: 10 * time.Millisecond,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: o.workers}},
	})
	if err != nil {
		return 0, err
	}
	if err := fillRiver(ctx, client, o); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := client.Start(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.Stop(context.WithoutCancel(ctx))) }()
	err = await(ctx, func() (n int, err error) {
		err = pool.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM river_job WHERE state IN ('available', 'running') LIMIT 1) AS left_over").Scan(&n)
		return n, err
	})
	return time.Since(start), err
}

// startPostgres makes a cluster, starts its server and waits until it serves.
func startPostgres(ctx context.Context, s *server) (*pgxpool.Pool, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return nil, errors.Join(errors.New("there is no PostgreSQL in /usr/lib/postgresql"), err)
	}
	bin, data := filepath.Dir(found[len(found)-1]), filepath.Join(s.dir, "data")
	if err := s.become("postgres"); err != nil {
		return nil, err
	}
	if err := s.prepare(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust"); err != nil {
		return nil, err
	}
	if err := s.start(filepath.Join(bin, "postgres"), "-D", data, "-p", fmt.Sprint(s.port), "-c", "listen_addresses=127.0.0.1", "-k", s.dir); err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(ctx, fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", s.port))
	if err != nil {
		return nil, err
	}
	patience, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	return pool, await(patience, func() (int, error) {
		if pool.Ping(patience) != nil {
			return 1, nil
		}
		return 0, nil
	})
}

func fillRiver(ctx context.Context, client *river.Client[pgx.Tx], o options) error {
	const together = 5000
	for at := 0; at < o.tasks; at += together {
		tasks := make([]river.InsertManyParams, min(together, o.tasks-at))
		for i := range tasks {
			tasks[i].Args = nothing{o.payload()}
		}
		if _, err := client.InsertManyFast(ctx, tasks); err != nil {
			return err
		}
	}
	return nil
}
