"""Make one of the papers' tables on the data that is at hand, in pieces that a later call continues.

    python benchmarks/table.py a [--tiny] [--work FOLDER] [--minutes 110] [--out FOLDER] [--device cpu] [--size 1]
        [--run NAME]

    a           HyperCon against frame by frame, blind consistency and our steadiers, ten clips
    b           inpainting of moving holes with HyperCon mean and median, ten clips
    c           CycleGAN's loss ablation with FCN scores, labels and photos that are generated
    d           the temporal loss at weights 0, 10, 15, 20 at 128x128, three seeds, sheets at 512x512
    e           Recycle-GAN against CycleGAN on two streams whose mapping is known
    f           shared instance-norm statistics with and without the clamp, ten clips
    g-hypercon  HyperCon's grid over insert, window, dilation
    g-vid2vid   vid2vid without foreground, video discriminator or flow warp, on generated streams
    h           horse2zebra and apple2orange in the place of seasons and flowers

Clips, pictures and weights are those of ../shared. When --minutes are over, the command says how far it came and ends with exit
code 0; the same command continues. --run NAME trains one run of c, d, e, g-vid2vid or h, such as temporal0-seed0 or
horse2zebra, so that several processes train one table at a time; the command without it then makes the table. The finished
table is printed beside the paper's, and OUT/NAME.json has all values.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

from tables.pieces import OneRunIsTrained, Setup, TimeIsOver

from rotoscope.base.errors import UsageError

TABLES = {
    "a": "against_frame_by_frame",
    "b": "inpainting",
    "c": "cyclegan_losses",
    "d": "temporal_loss",
    "e": "recycle_gan",
    "f": "shared_norm",
    "g-hypercon": "hypercon_grid",
    "g-vid2vid": "vid2vid_parts",
    "h": "stand_ins",
}
OF_SEVERAL_RUNS = "c", "d", "e", "g-vid2vid", "h"
RESULTS = Path(__file__).parent / "results" / "tables"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--tiny", action="store_true", help="sizes that only show that the table works")
    parser.add_argument("--work", type=Path, default=Path("runs/tables"), help="data, training runs and kept arrays")
    parser.add_argument("--minutes", type=float, default=110.0, help="length of this piece; the next call continues")
    parser.add_argument("--out", type=Path, help=f"folder of the JSON file; by default {RESULTS}, with --tiny none")
    parser.add_argument("--device", default="cpu", help="device of training")
    parser.add_argument("--size", type=float, default=1.0, help="factor of all training steps")
    parser.add_argument("--run", metavar="NAME", help="train this run of the table only; an unknown name lists them")
    options = parser.parse_args(arguments)
    if options.run is not None and options.table not in OF_SEVERAL_RUNS:
        sys.exit(f"--run with table {options.table}; accepted with {', '.join(OF_SEVERAL_RUNS)}")
    until = time.monotonic() + 60 * options.minutes
    work = options.work / ("tiny" if options.tiny else f"size{options.size:g}")
    setup = Setup(work=work, tiny=options.tiny, until=until, device=options.device, size=options.size, only=options.run)
    try:
        result = importlib.import_module(f"tables.{TABLES[options.table]}").run(setup)
    except TimeIsOver as stopped:
        print(f"The time of this piece is over at {stopped}; the same command continues.")
        return None
    except OneRunIsTrained as trained:
        print(f"{trained} is trained; the same command without --run makes the table when all runs are there.")
        return None
    except UsageError as error:
        sys.exit(str(error))
    print(result.text())
    out = options.out or (None if options.tiny else RESULTS)
    if out is not None:
        print(f"All values: {result.write(out)}")
    return result


if __name__ == "__main__":
    main()
