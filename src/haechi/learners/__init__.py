"""What the loop runs: each learner makes batches of trees and takes its loss from `methods/`."""
