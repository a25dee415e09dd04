"""What the tests share: real keys and tokens, snapshots, requests, and real processes."""
