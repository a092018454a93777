       ID DIVISION.
       PROGRAM-ID. APPLES.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       PROCEDURE DIVISION.
           ACCEPT N.
           IF N > 21 DISPLAY "HIGH"
           ELSE DISPLAY "LOW" END-IF.
           GOBACK.
