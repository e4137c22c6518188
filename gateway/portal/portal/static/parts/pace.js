// Keeps what was sold in the last minute and the line of it since the page was opened; moments are in milliseconds.

const MINUTE_MS = 60_000;
const KEPT_MS = 30 * MINUTE_MS;

export class Pace {
  constructor(opened) {
    this.sold = [];
    this.total = 0;
    this.moments = [opened / 1000];
    this.units = [0];
  }

  // Units of a moment. What was missed is counted at the moment of the cut, and so is no part of a minute behind it.
  count(units, moment) {
    this.sold.push([moment, units]);
    this.total += units;
  }

  inTheLastMinute(moment) {
    this.sold = this.sold.filter(([when]) => when > moment - MINUTE_MS);
    return Math.max(0, this.sold.reduce((sum, [, units]) => sum + units, 0)); // a cancellation may stand alone
  }

  // One more point of the line; a gap while nothing could be heard.
  mark(moment, heard) {
    this.moments.push(moment / 1000);
    this.units.push(heard ? this.inTheLastMinute(moment) : null);
    while (this.moments[0] < (moment - KEPT_MS) / 1000) {
      this.moments.shift();
      this.units.shift();
    }
    return [this.moments, this.units];
  }
}
